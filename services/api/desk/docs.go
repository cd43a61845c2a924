package desk

// Docs is the page of the OpenAPI document.
type Docs struct {
	Version, Description string
	Groups               []*DocsGroup
	Schemas              []DocsSchema
}

// DocsGroup has the operations with the same tag.
type DocsGroup struct {
	Name, Description string
	Operations        []DocsOperation
}

// DocsOperation is a method of a path.
type DocsOperation struct {
	ID, Method, Path, Summary, Description string
	// Role is the role that the caller needs; empty if none.
	Role       string
	Parameters []DocsField
	Body       []DocsContent
	Responses  []DocsResponse
	// Curl is a request as a command.
	Curl string
}

// DocsField is a parameter, or a property of an object.
type DocsField struct {
	Name, Type, Description string
	// In is where a parameter is: path, query or header.
	In string
	// Ref is the name of the schema of the value, or of its items; empty if it has none.
	Ref      string
	Required bool
}

// DocsContent is the content of a body. Fields are those of an object without a name.
type DocsContent struct {
	ContentType, Type, Ref string
	Fields                 []DocsField
}

// DocsResponse is a response by its status. Example is its body; empty if there is none.
type DocsResponse struct {
	Status, Description, Example string
	Content                      []DocsContent
}

// DocsSchema is a named schema.
type DocsSchema struct {
	Name, Description string
	Fields            []DocsField
}

func (Docs) page() (name, title, section string) { return "docs", "API", "docs" }
