package rules

import "testing"

// TestPersonalDataInGermanSpanishAndFrench classifies the names of columns as systems in these languages have them.
//
//nolint:misspell // the words are German, Spanish and French
func TestPersonalDataInGermanSpanishAndFrench(t *testing.T) {
	t.Parallel()
	answersAs(t, `
		Vorname | VARCHAR(40) || Confidential | yes
		NACHNAME | VARCHAR(40) || Confidential | yes
		Familienname | VARCHAR(40) || Confidential | yes
		Geburtsdatum | DATE || Confidential | yes
		GEB_DATUM | DATE || Confidential | yes
		Geburtsort | VARCHAR(40) || Confidential | yes
		Straße | VARCHAR(60) || Confidential | yes
		STRASSE_HAUSNR | VARCHAR(60) || Confidential | yes
		Hausnummer | VARCHAR(6) || Confidential | yes
		PLZ | CHAR(5) || Confidential | yes
		Postleitzahl | CHAR(5) || Confidential | yes
		Wohnort | VARCHAR(40) || Confidential | yes
		Anschrift | VARCHAR(80) || Confidential | yes
		Telefonnummer | VARCHAR(20) || Confidential | yes
		Handynummer | VARCHAR(20) || Confidential | yes
		E-Mail-Adresse | VARCHAR(80) || Confidential | yes
		Steuer-ID | CHAR(11) || HRCI | yes
		Steueridentifikationsnummer | CHAR(11) || HRCI | yes
		Personalausweisnummer | VARCHAR(12) || HRCI | yes
		Reisepassnummer | VARCHAR(12) || HRCI | yes
		Sozialversicherungsnummer | VARCHAR(12) || HRCI | yes
		Geschlecht | CHAR(1) || Confidential | yes
		Familienstand | CHAR(1) || Confidential | yes
		Staatsangehörigkeit | CHAR(3) || Confidential | yes
		Kontoinhaber | VARCHAR(60) || Confidential | yes
		Beruf | VARCHAR(40) || Confidential | yes
		Jahreseinkommen | DECIMAL(12,2) || Confidential | yes
		Nombre | VARCHAR(40) || Confidential, Proprietary | yes, no
		Apellido | VARCHAR(40) || Confidential | yes
		apellido_paterno | VARCHAR(40) || Confidential | yes
		fecha_nacimiento | DATE || Confidential | yes
		FEC_NAC | DATE || Confidential | yes
		lugar_de_nacimiento | VARCHAR(40) || Confidential | yes
		Dirección | VARCHAR(80) || Confidential | yes
		domicilio | VARCHAR(80) || Confidential | yes
		calle_y_numero | VARCHAR(80) || Confidential | yes
		codigo_postal | CHAR(5) || Confidential | yes
		Ciudad | VARCHAR(40) || Confidential | yes
		telefono_movil | VARCHAR(20) || Confidential | yes
		correo_electronico | VARCHAR(80) || Confidential | yes
		sexo | CHAR(1) || Confidential | yes
		estado_civil | CHAR(1) || Confidential | yes
		nacionalidad | CHAR(3) || Confidential | yes
		numero_pasaporte | VARCHAR(12) || HRCI | yes
		numero_de_seguridad_social | VARCHAR(12) || HRCI | yes
		documento_identidad | VARCHAR(12) || HRCI | yes
		cedula | VARCHAR(12) || HRCI | yes
		ingresos_mensuales | DECIMAL(12,2) || Confidential | yes
		ocupacion | VARCHAR(40) || Confidential | yes
		Prénom | VARCHAR(40) || Confidential | yes
		NOM_DE_FAMILLE | VARCHAR(40) || Confidential | yes
		nom_client | VARCHAR(40) || Confidential | yes
		date_naissance | DATE || Confidential | yes
		DT_NAISS | DATE || Confidential | yes
		Adresse | VARCHAR(80) || Confidential | yes
		rue | VARCHAR(80) || Confidential | yes
		code_postal | CHAR(5) || Confidential | yes
		Ville | VARCHAR(40) || Confidential | yes
		numero_telephone | VARCHAR(20) || Confidential | yes
		téléphone portable | VARCHAR(20) || Confidential | yes
		courriel | VARCHAR(80) || Confidential | yes
		adresse_electronique | VARCHAR(80) || Confidential | yes
		sexe | CHAR(1) || Confidential | yes
		situation_familiale | CHAR(1) || Confidential | yes
		nationalité | CHAR(3) || Confidential | yes
		numero_passeport | VARCHAR(12) || HRCI | yes
		num_secu | VARCHAR(15) || HRCI | yes
		numero_carte_identite | VARCHAR(15) || HRCI | yes
		revenu_annuel | DECIMAL(12,2) || Confidential | yes
		profession | VARCHAR(40) || Confidential | yes
		CustSSN | CHAR(9) || HRCI | yes
		dob | DATE || Confidential | yes
		custDOB | DATE || Confidential | yes
		szLastName | VARCHAR(40) || Confidential | yes
		strEmailAddr | VARCHAR(80) || Confidential | yes
		PRIM_BORR_FICO_REFRSH | N3 || HRCI | yes
		txn_amt_usd | N12.2 || Confidential | no
		phone1 | VARCHAR(20) || Confidential | yes
		addr_line_2 | VARCHAR(60) || Confidential | yes
	`)
}
