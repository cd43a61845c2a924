package columns

import (
	"slices"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema"
)

// coreBank returns an invented core banking system with the kinds of names that rankings were wrong about: many tables,
// particles that mean nothing, and child tables that repeat the columns of their parents.
func coreBank() []schema.SourceColumn {
	return slices.Concat(
		columnsOf("m_loan", "id|bigint", "contract_no|varchar(20)", "client_id|bigint", "granted_amount|decimal(19,6)",
			"annual_nominal_interest_rate|decimal(19,6)", "term_frequency|smallint", "instalment_count|smallint",
			"closing_date|date", "state_enum|smallint", "remaining_principal_derived|decimal(19,6)",
			"write_off_total_derived|decimal(19,6)", "is_overdue|tinyint(1)"),
		columnsOf("m_transaction", "id|bigint", "loan_id|bigint", "amount|decimal(19,6)", "booking_date|date"),
		columnsOf("m_product", "id|bigint", "name|varchar(100)", "close_date|date", "start_date|date"),
		columnsOf("m_client", "id|bigint", "office_id|bigint", "forename|varchar(50)", "surname|varchar(50)",
			"mobile_no|varchar(50)", "email|varchar(150)", "birth_date|date", "gender_cv_id|int", "status_enum|int"),
		columnsOf("m_client_identifier", "id|bigint", "client_id|bigint", "kind_id|int", "document_key|varchar(50)"),
		columnsOf("m_guarantor", "id|bigint", "loan_id|bigint", "forename|varchar(50)", "surname|varchar(50)",
			"birth_date|date", "house_phone_number|varchar(20)"),
		columnsOf("m_loan_collateral", "id|bigint", "loan_id|bigint", "type_cv_id|int", "worth|decimal(19,6)"),
		columnsOf("m_family_members", "id|bigint", "client_id|bigint", "forename|varchar(50)",
			"marital_status_cv_id|int"),
		columnsOf("m_office", "id|bigint", "name|varchar(50)", "since|date"),
	)
}

func TestRank_FindsColumnsOfACoreBankingSystem(t *testing.T) {
	t.Parallel()
	asked := []struct{ name, dataType, want string }{
		{"Current Interest Rate", "N8.5", "m_loan.annual_nominal_interest_rate"},
		{"Original Loan Term", "N3", "m_loan.term_frequency"},
		{"Number of Installments", "N3", "m_loan.instalment_count"},
		{"Borrower Phone Number", "C20", "m_client.mobile_no"},
		{"Co-signer Home Phone", "C20", "m_guarantor.house_phone_number"},
		{"Collateral Type", "C2", "m_loan_collateral.type_cv_id"},
		{"Marital Status of Household Member", "C2", "m_family_members.marital_status_cv_id"},
		{"Taxpayer Identification Number", "C20", "m_client_identifier.document_key"},
		{"Loan Close Date", "Date YYYYMMDD", "m_loan.closing_date"},
		{"Loan Identifier", "C18", "m_loan.id"},
		{"Charge-off Amount", "N15.2", "m_loan.write_off_total_derived"},
		{"Outstanding Principal", "N15.2", "m_loan.remaining_principal_derived"},
		{"Borrower First Name", "C40", "m_client.forename"},
		{"Branch Name", "C40", "m_office.name"},
		{"Bureau Score at Origination", "N3", ""},
		{"Lien Position", "N1", ""},
		{"Rate Cap", "N6.3", ""},
	}
	var attributes []schema.Attribute
	for _, a := range asked {
		attributes = append(attributes, attribute(a.name, a.dataType))
	}
	report := NewIndex(coreBank()).Report(attributes)
	for i, a := range asked {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			got := report.Rank(attributes[i])
			if strings.TrimPrefix(got.SourceField, "S.") != a.want {
				t.Errorf("got %s with %d, want %s: %s", orNothing(got.SourceField), got.Confidence, orNothing(a.want),
					got.Rationale)
			}
		})
	}
}

// A name that matches word for word outweighs a guess of the kind of value from a numeric type.
func TestRank_ANameOutweighsAGuessedKind(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("card_accounts", "apr_at_cycle_end|numeric", "maximum_apr|numeric(18,2)",
		"cash_apr|numeric(12,2)",
		"variable_rate_margin|numeric(15,2)", "variable_rate_index|numeric", "probability_of_default|numeric(15,2)",
		"loss_given_default|numeric", "ead_id_segment|varchar(40)", "cycle_ending_balance|numeric(15,2)",
		"account_open_date|date", "is_closed|boolean"))
	for _, tt := range []struct{ name, dataType, want string }{
		{"APR at End of Cycle", "N6.3", "apr_at_cycle_end"},
		{"Maximum APR", "N6.3", "maximum_apr"},
		{"Cash APR", "N6.3", "cash_apr"},
		{"Variable Rate Margin", "N6.3", "variable_rate_margin"},
		{"Variable Rate Index", "C2", "variable_rate_index"},
		{"Default Probability - DP", "N7.6", "probability_of_default"},
		{"Loss Severity - LGD", "N7.6", "loss_given_default"},
		{"EAD id segment", "C20", "ead_id_segment"},
		{"Account Open Amount", "N12.2", ""},
		{"Closed Balance", "N12.2", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ix.Rank(attribute(tt.name, tt.dataType))
			want := tt.want
			if want != "" {
				want = "S.card_accounts." + want
			}
			if got.SourceField != want {
				t.Errorf("%s: got %s with %d, want %s: %s", tt.name, orNothing(got.SourceField), got.Confidence,
					orNothing(want), got.Rationale)
			}
		})
	}
}

func TestRank_ReadsNamesAsFoundInTheWild(t *testing.T) {
	t.Parallel()
	ix := NewIndex(columnsOf("tblCustomer", "CustSSN|char(9)", "dob|date", "PRIM_BORR_FICO_REFRSH|number(3)",
		"Card #|varchar(19)", "txn_amt_usd|number(12,2)", "e-mail-address|varchar(80)", "Phone Numbers|varchar(80)",
		"strLastName|varchar(40)", "addr_line_2|varchar(60)", "addr_line_1|varchar(60)", "code_postal|varchar(10)",
		"Geburtsort|varchar(40)", "numero_pasaporte|varchar(20)", "chkActive|bit"))
	for _, tt := range []struct{ name, dataType, want string }{
		{"Social Security Number of Customer", "C9", "CustSSN"},
		{"Date of Birth", "Date YYYYMMDD", "dob"},
		{"Refreshed Credit Score of Primary Borrower", "N3", "PRIM_BORR_FICO_REFRSH"},
		{"Card Number", "C19", "Card #"},
		{"Card #", "C19", "Card #"},
		{"Transaction Amount", "N12.2", "txn_amt_usd"},
		{"Email Address", "C80", "e-mail-address"},
		{"Phone Number", "C20", "Phone Numbers"},
		{"Last Name", "C40", "strLastName"},
		{"Address Line 2", "C60", "addr_line_2"},
		{"ZIP Code", "C10", "code_postal"},
		{"Place of Birth", "C40", "Geburtsort"},
		{"Passport Number", "C20", "numero_pasaporte"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ix.Rank(attribute(tt.name, tt.dataType)); got.SourceField != "S.tblCustomer."+tt.want {
				t.Errorf("%s: got %s with %d, want %s: %s",
					tt.name, orNothing(got.SourceField), got.Confidence, tt.want, got.Rationale)
			}
		})
	}
}

// A unique identifier that a system makes up is rarely the number that people use, a text of one or two characters is
// no identifier, and a measured number no text.
func TestRank_PrefersNumbersThatPeopleUse(t *testing.T) {
	t.Parallel()
	ix := NewIndex(slices.Concat(
		columnsOf("identity_document", "identity_document_id|uuid", "document_number|varchar(30)", "issue_date|date"),
		columnsOf("legal_entity", "legal_entity_id|uuid", "legal_name|varchar(100)"),
		columnsOf("patient_event", "patient_weight|double precision", "patient_sex|char(1)", "event_date|date"),
	))
	for _, tt := range []struct{ name, dataType, want string }{
		{"Identity Document Number", "C20", "S.identity_document.document_number"},
		{"Legal Entity Identifier", "C20", ""},
		{"Patient Identifier", "C16", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ix.Rank(attribute(tt.name, tt.dataType)); got.SourceField != tt.want {
				t.Errorf("got %s with %d, want %s: %s", orNothing(got.SourceField), got.Confidence, orNothing(tt.want),
					got.Rationale)
			}
		})
	}
}
