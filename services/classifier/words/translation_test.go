package words

import (
	"slices"
	"strings"
	"testing"
)

func TestSplit_OtherLanguages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		// The noun comes first, with particles between.
		{"Fecha de nacimiento", "birth date"},
		{"FECHA_NACIMIENTO", "birth date"},
		{"fechaNacimiento", "birth date"},
		{"data_nascimento", "birth date"},
		{"Data di nascita", "birth date"},
		{"Date de naissance", "birth date"},
		{"Numéro de sécurité sociale", "social security number"},
		{"NUMERO_SEGURIDAD_SOCIAL", "social security number"},
		{"Número de la tarjeta", "card number"},
		{"Nombre del cliente", "customer name"},
		{"Límite de crédito", "credit limit"},
		{"Nomor paspor", "passport number"},
		{"tanggal_lahir", "birth date"},
		{"Номер паспорта", "passport number"},
		{"дата_рождения", "birth date"},
		{"numer telefonu klienta", "customer phone number"},
		{"تاريخ الميلاد", "birth date"},
		{"מספר טלפון", "phone number"},
		// Compounds.
		{"Steuernummer", "tax number"},
		{"KREDITKARTENNUMMER", "credit card number"},
		{"Kundenkennung", "customer identifier"},
		{"Sozialversicherungsnummer", "social insurance number"},
		{"Straße", "street"},
		{"STRASSE", "street"},
		{"fødselsdato", "birth date"},
		// Scripts without spaces.
		{"身份证号码", "identity card number"},
		{"客户姓名", "customer full name"},
		{"電話番号", "phone number"},
		{"고객주소", "customer address"},
		{"นามสกุล", "last name"},
		// Accents, whole and decomposed, and full-width letters.
		{"Prénom", "first name"},
		{"Pre\u0301nom", "first name"},
		{"ＰＨＯＮＥ", "phone"},
		// Unknown words are kept.
		{"客户类型", "customer 类型"},
		{"cuenta vista", "vista account"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(Split(tt.name), " "); got != tt.want {
				t.Errorf("Split(%q): got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

// TestSplit_EnglishStaysEnglish splits names with words that other languages have too.
func TestSplit_EnglishStaysEnglish(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"data", "data"},
		{"DATA_VERSION", "data version"},
		{"datas", "data"},
		{"situation", "situation"},
		{"Schedule D", "schedule d"},
		{"Tier I capital", "tier i capital"},
		{"art_code", "art code"},
		{"PLZ", "plz"},
		{"nom", "nom"},
		{"no_of_accounts", "number of account"},
		{"vehicle make", "vehicle make"},
		{"diagnostic", "diagnostic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(Split(tt.name), " "); got != tt.want {
				t.Errorf("Split(%q): got %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

func TestLocate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"ACCT_OPN_DT", "account=ACCT open=OPN date=DT"},
		{"Re-age flag", "reage=Re-age flag=flag"},
		{"CURRBAL", "current=CURRBAL balance=CURRBAL"},
		{"Fecha de nacimiento", "birth=nacimiento date=Fecha"},
		{"Número", "number=Número"},
		{"60+ DPD", "60=60 plus=60 day=DPD past=DPD due=DPD"},
		{"", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, w := range Locate(nil, tt.name) {
				got = append(got, w.Text+"="+tt.name[w.Start:w.End])
			}
			if text := strings.Join(got, " "); text != tt.want {
				t.Errorf("Locate(%q): got %q, want %q", tt.name, text, tt.want)
			}
		})
	}
}

func TestLocate_GivesTheWordsOfSplit(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"CURR_CR_LMT_AMT", "Total payment due at cycle end", "Numéro de sécurité sociale", "客户姓名", "ACCTNBR", "1st-2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, w := range Locate(nil, name) {
				got = append(got, w.Text)
			}
			if want := Split(name); !slices.Equal(got, want) {
				t.Errorf("Locate(%q): got %q, want %q", name, got, want)
			}
		})
	}
}

func TestParseTranslations_ReportsTheLine(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"nachname: last name", "translations line 1: \"nachname: last name\" comes before the first language"},
		{"language X\nnachname", "translations line 2: \"nachname\" has no colon"},
		{"language X\n# remark\nnachname: _", "translations line 3: \"nachname: _\" has no English words"},
		{"language X\nname one, nachname: a\nnachname: b", "translations line 3: \"nachname\" is translated twice"},
		{"language X\nmot passe: a\nmot passe: b", "translations line 3: \"mot passe\" is translated twice"},
		{"language X\nmot de passe: a", "translations line 2: \"mot de passe\" has more than two words"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			d, err := parse("card")
			if err != nil {
				t.Fatal(err)
			}
			if err := d.parseTranslations(tt.text); err == nil || err.Error() != tt.want {
				t.Errorf("parseTranslations: got error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestTranslations_AreInNormalForm(t *testing.T) {
	t.Parallel()
	d := embedded()
	if len(d.foreign.entries) < 900 {
		t.Errorf("translated words: got %d, want at least 900", len(d.foreign.entries))
	}
	for foreign, e := range d.foreign.entries {
		if e.particle {
			continue
		}
		text := strings.Join(e.usual(), " ")
		if again := strings.Join(Split(text), " "); again != text {
			t.Errorf("Split of the English for %q: got %q, want %q", foreign, again, text)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"ABC", "abc"},
		{"Número", "numero"},
		{"Nu\u0301mero", "numero"}, // decomposed
		{"Straße", "strasse"},
		{"Œuvre", "oeuvre"},
		{"ＰＨＯＮＥ", "phone"}, // full width
		{"客户", "客户"},
		{"고객", "고객"}, // composed again
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			if got := fold(tt.text); got != tt.want {
				t.Errorf("fold(%q): got %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}
