package rules

import "testing"

// TestKeysOfThings classifies keys: those of persons and accounts identify a person, those of other things do not, even
// if the table or the name mentions a person.
func TestKeysOfThings(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		CUST_ID | VARCHAR(12) || Confidential | yes
		ACCT_NBR | VARCHAR(12) || Confidential | yes
		LOAN_ID | VARCHAR(12) || Confidential | yes
		Policy Number | VARCHAR(12) || Confidential | yes
		AddressID | INTEGER || Confidential, Proprietary | no
		PhoneNumberTypeID | INTEGER || Confidential, Proprietary | no
		city_id | INTEGER || Confidential, Proprietary | no
		language_id | INTEGER || Confidential, Proprietary | no
		customer_return_id | INTEGER || Confidential, Proprietary | no
		note_id | BIGINT || Confidential, Proprietary | no
		income_id | BIGINT || Confidential, Proprietary | no
		rowguid | UUID || Confidential, Proprietary | no
		signature_count | INTEGER || Confidential, Proprietary | no
		minor_version | INTEGER || Confidential, Proprietary | no
	`)
}

// TestNumberSigns classifies names with # for number as those with the word.
func TestNumberSigns(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Card # | VARCHAR(19) || HRCI | yes
		ACCT# | VARCHAR(12) || Confidential | yes
		# of Cards | N3 || Confidential, Proprietary | no
	`)
}
