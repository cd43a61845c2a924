package columns

// scratch is the memory of one call of Rank, kept for the next. All its marks are cleared by reset.
type scratch struct {
	text  []string
	asked []ask

	explained []float64 // by term: how well the attribute explains it
	marked    []int     // the terms with a mark in explained or heads

	guesses []guess
	words   []string

	heads []int // by term: 1 + the first of its answers
	chain []answer

	promise []float64 // by column
	touched []int     // the columns with a promise

	judged  []verdict
	answers []float64 // by ask, of the column being judged
}

// answer says that a term answers an ask.
type answer struct {
	ask    int
	degree float64
	next   int
}

func newScratch(columns, terms int) *scratch {
	return &scratch{
		explained: make([]float64, terms), heads: make([]int, terms), promise: make([]float64, columns),
	}
}

func (s *scratch) explain(id int, degree float64) {
	if s.explained[id] == 0 && s.heads[id] == 0 {
		s.marked = append(s.marked, id)
	}
	s.explained[id] = max(s.explained[id], degree)
}

// answer notes that term id answers an ask.
func (s *scratch) answer(id int, ask int, degree float64) {
	if s.explained[id] == 0 && s.heads[id] == 0 {
		s.marked = append(s.marked, id)
	}
	s.chain = append(s.chain, answer{ask, degree, s.heads[id]})
	s.heads[id] = len(s.chain)
}

// promises adds to what a column promises.
func (s *scratch) promises(column int, much float64) {
	if s.promise[column] == 0 {
		s.touched = append(s.touched, column)
	}
	s.promise[column] += much
}

func (s *scratch) reset() {
	for _, id := range s.marked {
		s.explained[id], s.heads[id] = 0, 0
	}
	for _, c := range s.touched {
		s.promise[c] = 0
	}
	s.text, s.asked, s.words, s.guesses = s.text[:0], s.asked[:0], s.words[:0], s.guesses[:0]
	s.marked, s.chain, s.touched, s.judged = s.marked[:0], s.chain[:0], s.touched[:0], s.judged[:0]
}
