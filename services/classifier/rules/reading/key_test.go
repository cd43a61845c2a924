package reading

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/rules/policy"
)

func TestRead_MarksTheKeysAndEntriesOfTables(t *testing.T) {
	t.Parallel()
	rd := NewReader(policy.Default())
	for _, tt := range []struct {
		name, dataType, table, report string
		want                          policy.Marks
	}{
		{"loan_id", "bigint", "payment", "", policy.MarkRowKey},
		{"loan_id", "", "payment", "", policy.MarkRowKey},
		{"loan_id", "NUMBER(38,0)", "payment", "", policy.MarkRowKey},
		{"clientKey", "uuid", "payment", "", policy.MarkRowKey},
		{"loan_id", "bigint", "loan", "", policy.MarkRowKey | policy.MarkLookupEntry},
		{"loan_id", "VARCHAR(20)", "payment", "", 0},
		{"loan_id", "NUMBER(10)", "payment", "", 0},
		{"loan_number", "bigint", "payment", "", 0},
		{"loan_id", "bigint", "", "", 0},
		{"loan_id", "bigint", "payment", "FR Y-14M", 0},
		{"city_name", "varchar(50)", "city", "", policy.MarkLookupEntry},
		{"city_name", "varchar(50)", "REF_CITY", "", policy.MarkLookupEntry},
		{"city_name", "varchar(50)", "address", "", 0},
	} {
		t.Run(tt.name+" "+tt.dataType+" "+tt.table+tt.report, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{
				Attribute: schema.Attribute{AttributeName: tt.name, DataType: tt.dataType}, Table: tt.table,
				Report: tt.report,
			})
			if r.Marks != tt.want {
				t.Errorf("marks: got %b, want %b", r.Marks, tt.want)
			}
		})
	}
}

func TestReading_EndsTable(t *testing.T) {
	t.Parallel()
	rd := NewReader(policy.Default())
	for table, want := range map[string]bool{
		"customers": true, "customer_master": true, "loan_guarantor": true,
		"customer_type": false, "member_list": false,
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			r := rd.Read(Input{Attribute: schema.Attribute{AttributeName: "name"}, Table: table})
			if r.PartyAt < 0 {
				t.Fatal("no party")
			}
			if got := r.EndsTable(r.PartyAt); got != want {
				t.Errorf("got %t, want %t", got, want)
			}
		})
	}
}
