package desk

// SignIn is the page on which a user gives a token.
type SignIn struct {
	// Next is the path to go to afterwards.
	Next string
	// Problem is why the last token was refused; empty at first.
	Problem string
}

func (SignIn) page() (name, title, section string) { return "signin", "Sign in", "" }

// Refusal is the page for a request that was refused or failed.
type Refusal struct {
	Caller
	Title, Detail string
	// Errors are the mistakes by field.
	Errors []Mistake
	// RequestID is the id of the request in the log of the server.
	RequestID string
	// Back is the page to return to.
	Back string
	// Forbidden means that the role of the user is too low.
	Forbidden bool
}

// Mistake is a mistake in one field, or in one place of a file.
type Mistake struct{ Location, Message string }

func (v Refusal) page() (name, title, section string) { return "refusal", v.Title, "" }
