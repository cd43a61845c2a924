package desk

// Import is the page that imports a report from files.
type Import struct {
	Caller
	CycleID, ReportID, Name string
	// SourceName is the name of the data source of a database. The page never repeats its URL, which has a password.
	SourceName string
	// Database describes the database that was read; empty if there is none.
	Database string
	// Checked is true after a check, and Done counts what it would import.
	Checked bool
	Done    []Tally
	// Problem is why the files were refused; empty if they were not. Mistakes are the errors by file and line.
	Problem  string
	Mistakes []FileMistake
	// More is the number of mistakes that are not listed.
	More int
}

// Tally counts the rows of one kind by the effect of an import.
type Tally struct {
	Kind                      string
	Added, Updated, Unchanged int64
}

// FileMistake is a mistake in a file. Line is 0 if it is the whole file.
type FileMistake struct {
	File, Cell, Column, Reason string
	Line                       int
}

func (Import) page() (name, title, section string) { return "import", "Import", "import" }
