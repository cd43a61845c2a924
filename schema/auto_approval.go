package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// AutoApprover is the reviewer of mappings that the rule of their report approved. No user has this name.
const AutoApprover = "auto-approval"

// Reviewers returns the reviewers that are no users.
func Reviewers() []string { return []string{AutoApprover, ColumnRemoval, CarryOverReviewer} }

// AutoApproval is the rule by which a report approves mappings itself. It only approves results of jobs that are
// pending. A mapping that a person has confirmed waits for a manager, because it must not be approved by its editor.
type AutoApproval struct {
	bun.BaseModel `bun:"table:auto_approvals,alias:aa"`

	CycleID  string `bun:"cycle_id,pk"`
	ReportID string `bun:"report_id,pk"`
	Enabled  bool   `bun:"enabled"`
	// MinConfidence is the least confidence of the column and of the classification.
	MinConfidence int `bun:"min_confidence"`
	// MinMargin is the least distance to the score of the next best column.
	MinMargin int `bun:"min_margin"`
	// Tiers are the tiers that may be approved, and MaxRisk is the highest such risk.
	Tiers   []Tier `bun:"tiers,array"`
	MaxRisk Level  `bun:"max_risk"`
	// Personal allows personal data.
	Personal  bool      `bun:"personal"`
	CreatedAt time.Time `bun:"created_at"`
	CreatedBy string    `bun:"created_by"`
	UpdatedAt time.Time `bun:"updated_at"`
	UpdatedBy string    `bun:"updated_by"`
}

// DefaultAutoApproval returns the rule of a report for which none was set. It is not enabled.
func DefaultAutoApproval(cycleID, reportID string) AutoApproval {
	return AutoApproval{
		CycleID: cycleID, ReportID: reportID, MinConfidence: 85, MinMargin: 10,
		Tiers: []Tier{TierConfidential, TierProprietary, TierPublic}, MaxRisk: LevelMedium,
	}
}

// Approves reports whether the rule is enabled and approves the mapping.
func (r AutoApproval) Approves(m Mapping) bool {
	if !r.Enabled || m.MappingConfirmedByUser || m.ReviewStatus != ReviewStatusPending || m.SourceField == "" ||
		m.DataSourceID == "" || m.PIIFlag == nil || *m.PIIFlag && !r.Personal ||
		!slices.Contains(r.Tiers, m.InformationSecurityClassification) || m.RiskLevel == "" {
		return false
	}
	return !m.RiskLevel.Above(r.MaxRisk) &&
		m.ConfidenceScore != nil && *m.ConfidenceScore >= r.MinConfidence &&
		m.ClassificationConfidence != nil && *m.ClassificationConfidence >= r.MinConfidence &&
		r.isDistinct(m)
}

// isDistinct reports whether no other column is within the margin.
func (r AutoApproval) isDistinct(m Mapping) bool {
	for _, other := range m.AlternativeMappings {
		if *m.ConfidenceScore-other.Score < r.MinMargin {
			return false
		}
	}
	return true
}

// String returns the rule in plain language. It is the comment of each approval.
func (r AutoApproval) String() string {
	tiers := make([]string, len(r.Tiers))
	for i, tier := range r.Tiers {
		tiers[i] = string(tier)
	}
	personal := "not personal"
	if r.Personal {
		personal = "personal or not"
	}
	const rule = "confidence of at least %d, no other column within %d points, a data source, %s, risk at most %s, %s"
	return fmt.Sprintf(rule,
		r.MinConfidence, r.MinMargin, strings.Join(tiers, " or "), r.MaxRisk, personal)
}

// GetAutoApproval returns the rule of the report, or [DefaultAutoApproval] if none was set.
func GetAutoApproval(ctx context.Context, db bun.IDB, cycleID, reportID string) (AutoApproval, error) {
	var rule AutoApproval
	err := db.NewSelect().Model(&rule).Where("cycle_id = ? and report_id = ?", cycleID, reportID).Scan(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return DefaultAutoApproval(cycleID, reportID), nil
	case err != nil:
		return rule, fmt.Errorf("auto-approval of report %s: %w", reportID, err)
	}
	return rule, nil
}

// SaveAutoApproval changes the rule of the report in the name of the author, and applies it to the mappings of the
// report if it is enabled. It returns the rule and the number of approved mappings. A rule that is switched off changes
// no mapping. It returns [ErrNotFound] if there is no such report, and an error of [IsLockTimeout].
func SaveAutoApproval(
	ctx context.Context, tx bun.Tx, cycleID, reportID, author string, change func(AutoApproval) AutoApproval,
) (rule AutoApproval, approved int64, err error) {
	if _, err := LockReport(ctx, tx, cycleID, reportID); err != nil {
		return rule, 0, err
	}
	now, err := Now(ctx, tx)
	if err != nil {
		return rule, 0, err
	}
	rule = DefaultAutoApproval(cycleID, reportID)
	rule.CreatedAt, rule.CreatedBy, rule.UpdatedAt, rule.UpdatedBy = now, author, now, author
	if _, err := tx.NewInsert().Model(&rule).On("conflict do nothing").Exec(ctx); err != nil {
		return rule, 0, fmt.Errorf("auto-approval of report %s: %w", reportID, err)
	}
	err = tx.NewSelect().Model(&rule).WherePK().For("update").Scan(ctx)
	if err != nil {
		return rule, 0, fmt.Errorf("auto-approval of report %s: %w", reportID, err)
	}
	if now, err = Now(ctx, tx); err != nil { // after the lock
		return rule, 0, err
	}
	rule = change(rule)
	rule.UpdatedAt, rule.UpdatedBy = now, author
	if _, err := tx.NewUpdate().Model(&rule).WherePK().Exec(ctx); err != nil {
		return rule, 0, fmt.Errorf("auto-approval of report %s: %w", reportID, err)
	}
	approved, err = rule.apply(ctx, tx)
	if err != nil {
		return rule, 0, err
	}
	state := "off: "
	if rule.Enabled {
		state = "on: "
	}
	return rule, approved, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: rule.CycleID, ReportID: rule.ReportID, Action: PlanningActionChanged,
		Object: PlanningObjectAutoApproval, Name: state + rule.String(),
		Counts:    PlanningCounts{Mappings: PlanningCount{Updated: approved}},
		ChangedAt: now, ChangedBy: rule.UpdatedBy,
	})
}

// apply approves the mappings that the rule approves.
func (r AutoApproval) apply(ctx context.Context, tx bun.Tx) (approved int64, err error) {
	err = r.eachPage(ctx, tx, func(ids []string) error {
		mappings, err := lockMappings(ctx, tx, r.CycleID, r.ReportID, ids)
		if err != nil {
			return err
		}
		now, err := Now(ctx, tx)
		if err != nil {
			return err
		}
		var changes []change
		for _, m := range mappings {
			if !r.Approves(m) {
				continue // it has changed since it was read
			}
			after := m
			after.ReviewStatus, after.ReviewedBy, after.ReviewedAt = ReviewStatusApproved, AutoApprover, now
			changes = append(changes, change{before: m, after: after, comment: r.String()})
		}
		approved += int64(len(changes))
		if len(changes) == 0 {
			return nil
		}
		batch := changeBatch{at: now, author: AutoApprover, action: HistoryActionAutoApproved}
		return saveChanges(ctx, tx, batch, changes)
	})
	return approved, err
}

// Preview returns the number of mappings that the rule would approve if it was enabled, and the first [MaxProblems]
// ids.
func (r AutoApproval) Preview(ctx context.Context, db bun.IDB) (n int64, first []string, err error) {
	r.Enabled = true
	err = r.eachPage(ctx, db, func(ids []string) error {
		n += int64(len(ids))
		first = append(first, ids[:min(len(ids), MaxProblems-len(first))]...)
		return nil
	})
	return n, first, err
}

// eachPage calls do with the ids of the mappings that the rule approves, page by page. It does nothing if the rule is
// not enabled.
func (r AutoApproval) eachPage(ctx context.Context, db bun.IDB, do func(ids []string) error) error {
	if !r.Enabled {
		return nil
	}
	filter := MappingFilter{
		CycleID: r.CycleID, ReportID: r.ReportID, ReviewStatus: ReviewStatusPending, Unmapped: new(false),
		MinConfidence: new(r.MinConfidence), Sort: MappingSortID,
	}
	for next := new(MappingPosition); next != nil; {
		page, after, err := ListMappings(ctx, db, filter, *next, reviewPage)
		if err != nil {
			return err
		}
		next = after
		var ids []string
		for _, m := range page {
			if r.Approves(m.Mapping) {
				ids = append(ids, m.ID)
			}
		}
		if len(ids) > 0 {
			if err := do(ids); err != nil {
				return err
			}
		}
	}
	return nil
}
