package schema

import (
	"time"

	"github.com/uptrace/bun"
)

// Attribute is one line item of a report.
type Attribute struct {
	bun.BaseModel `bun:"table:attributes,alias:a"`

	ID       string `bun:"id,pk"`
	CycleID  string `bun:"cycle_id"`
	ReportID string `bun:"report_id"`
	// Identity is what an attribute is known by within its report: its line item number where it has one, else its name.
	Identity              string `bun:"identity"`
	AttributeName         string `bun:"attribute_name"`
	Description           string `bun:"description"`
	DataType              string `bun:"data_type"`
	LineItemNumber        string `bun:"line_item_number"`
	TechnicalLineItemName string `bun:"technical_line_item_name"`
	// MDRM is the code of the Federal Reserve's micro data reference manual, such as M083.
	MDRM            string    `bun:"mdrm"`
	IsMandatory     bool      `bun:"is_mandatory"`
	IsCDE           bool      `bun:"is_cde"`
	IsPrimaryKey    bool      `bun:"is_primary_key"`
	HasIssues       bool      `bun:"has_issues"`
	ValidationRules string    `bun:"validation_rules"`
	CreatedAt       time.Time `bun:"created_at"`
	CreatedBy       string    `bun:"created_by"`
	UpdatedAt       time.Time `bun:"updated_at"`
	UpdatedBy       string    `bun:"updated_by"`
}
