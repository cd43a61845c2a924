package eval

// Difference is a field in which two subjects answer differently.
type Difference struct {
	Field          string   `json:"field"`
	LineItemNumber string   `json:"line_item_number,omitempty"`
	AttributeName  string   `json:"attribute_name"`
	Want           []string `json:"want"`
	First          string   `json:"first"`
	Second         string   `json:"second"`
	// Effect is "better" if only the second answer is defensible, "worse" if only the first one is, else "same".
	Effect string `json:"effect"`
}

// Compare returns the judged fields in which two subjects' answers to the same labels differ.
func Compare(first, second []Answer) []Difference {
	differences := []Difference{}
	for i, a := range first {
		b := second[i]
		for _, f := range fields() {
			if !f.judged(a) || f.got(a) == f.got(b) {
				continue
			}
			d := Difference{
				Field: f.name, LineItemNumber: a.Attribute.LineItemNumber, AttributeName: a.Attribute.AttributeName,
				Want: f.want(a), First: f.got(a), Second: f.got(b), Effect: "same",
			}
			switch was, is := f.defensible(a), f.defensible(b); {
			case is && !was:
				d.Effect = "better"
			case was && !is:
				d.Effect = "worse"
			}
			differences = append(differences, d)
		}
	}
	return differences
}
