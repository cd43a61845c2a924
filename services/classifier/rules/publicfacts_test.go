package rules

import "testing"

// TestPublicFactsAndScreens classifies what the bank shows to everyone, and how its own screens are configured, next to
// names that only contain the same words.
func TestPublicFactsAndScreens(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Branch Opening Hours ||| Public | no
		BRANCH_OPEN_HRS | VARCHAR(80) || Public | no
		ATM Location Name | VARCHAR(80) || Public | no
		Press Release Text | CLOB || Public | no
		Toll-Free Number | C12 || Public | no
		Fee Schedule Document | C80 || Public | no
		Customer Website | C80 || Confidential | yes
		Newsletter Consent Flag | C1 || Confidential, Proprietary | no
		Preferred Branch Opening Hours | C20 || Confidential, Proprietary, Public | no
		Website Password | C40 || HRCI | no
		Press Release Payment Amount | N12.2 || Confidential | no
		SORT_ORDER | INTEGER || Proprietary | no
		Dashboard Layout | VARCHAR(80) || Proprietary | no
		SCREEN_THEME_CD | VARCHAR(10) || Proprietary | no
		Tooltip Text | VARCHAR(200) || Proprietary | no
		CONFIG_VALUE | VARCHAR(80) || Proprietary | no
		Login Timeout | INTEGER || Proprietary | no
		Borrower Time Zone | C20 || Confidential, Proprietary | no, yes
		Pricing Grid | N6.3 || Confidential | no
		Session Token | C40 || HRCI | no
		Default Rate | N6.3 || Confidential | no
	`)
}

// TestContactsOfFilings classifies persons who answer questions about a filing, and the data of officers and of the
// institution, which the filing publishes.
func TestContactsOfFilings(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Area code and phone number of contact | C20 | FR Y-9C | Confidential | yes
		Name of Contact | C60 | FR Y-9C | Confidential | yes
		E-mail Address of the Contact | C60 | Call Report | Confidential | yes
		Area code and phone number of contact | C20 | FR Y-14M | Confidential | yes
		Name of the Chief Financial Officer | C60 | FR Y-9C | Public | yes
		Officer Email Address | C60 | FR Y-9C | Public | yes
		Website Address of the Company | C60 | FR Y-9C | Public | no
		Branch Phone Number | C20 || Public | no
	`)
}
