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
	Personal bool `bun:"personal"`
	// AppliedTo is the id of the last mapping to which the enabled rule was applied. It is empty if it was applied to
	// all mappings.
	AppliedTo string    `bun:"applied_to,nullzero"`
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

// MaxUnagreed is the most confidence of a model's result that differs from that of the rules, or on which they have no
// opinion. No rule approves such a result.
const MaxUnagreed = 75

// Approves reports whether the rule is enabled and approves the mapping.
func (r AutoApproval) Approves(m Mapping) bool {
	if strings.HasPrefix(m.ClassifiedBy, ModelPrefix) {
		r.MinConfidence = max(r.MinConfidence, MaxUnagreed+1)
	}
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

// AutoApprovalUpdate is a change of the rule of a report.
type AutoApprovalUpdate struct {
	CycleID, ReportID, Author string
	// Limit is the maximum number of mappings that the update approves. It also bounds how many it reads.
	Limit  int
	Change func(AutoApproval) AutoApproval
}

// readPerApproval times the limit is the number of listed mappings after which an update stops.
const readPerApproval = 10

// SaveAutoApproval changes the rule of the report, and applies it to the mappings of the report if it is enabled. It
// returns the rule and the number of approved mappings. If the limit is reached, AppliedTo of the rule is set, and the
// next update that does not change the rule continues there. A rule that is switched off changes no mapping. It returns
// [ErrNotFound] if there is no such report, and an error of [IsLockTimeout].
func SaveAutoApproval(
	ctx context.Context, tx bun.Tx, u AutoApprovalUpdate,
) (rule AutoApproval, approved int64, err error) {
	before, now, err := u.lock(ctx, tx)
	if err != nil {
		return rule, 0, err
	}
	rule = u.Change(before)
	if rule.state() != before.state() {
		rule.AppliedTo = ""
	}
	if approved, err = rule.apply(ctx, tx, u.Limit); err != nil {
		return rule, 0, err
	}
	rule.UpdatedAt, rule.UpdatedBy = now, u.Author
	if _, err := tx.NewUpdate().Model(&rule).WherePK().Exec(ctx); err != nil {
		return rule, 0, fmt.Errorf("auto-approval of report %s: %w", u.ReportID, err)
	}
	return rule, approved, InsertPlanningChange(ctx, tx, PlanningChange{
		CycleID: u.CycleID, ReportID: u.ReportID, Action: PlanningActionChanged,
		Object: PlanningObjectAutoApproval, Name: rule.state(),
		Counts:    PlanningCounts{Mappings: PlanningCount{Updated: approved}},
		ChangedAt: now, ChangedBy: u.Author,
	})
}

// lock locks the report and its rule, which it inserts if there is none, and then reads the clock.
func (u AutoApprovalUpdate) lock(ctx context.Context, tx bun.Tx) (rule AutoApproval, now time.Time, err error) {
	if _, err := LockReport(ctx, tx, u.CycleID, u.ReportID); err != nil {
		return rule, now, err
	}
	if now, err = Now(ctx, tx); err != nil {
		return rule, now, err
	}
	rule = DefaultAutoApproval(u.CycleID, u.ReportID)
	rule.CreatedAt, rule.CreatedBy, rule.UpdatedAt, rule.UpdatedBy = now, u.Author, now, u.Author
	if _, err := tx.NewInsert().Model(&rule).On("conflict do nothing").Exec(ctx); err != nil {
		return rule, now, fmt.Errorf("auto-approval of report %s: %w", u.ReportID, err)
	}
	if err := tx.NewSelect().Model(&rule).WherePK().For("update").Scan(ctx); err != nil {
		return rule, now, fmt.Errorf("auto-approval of report %s: %w", u.ReportID, err)
	}
	now, err = Now(ctx, tx)
	return rule, now, err
}

// state returns the rule in plain language, and whether it is enabled.
func (r AutoApproval) state() string {
	if r.Enabled {
		return "on: " + r.String()
	}
	return "off: " + r.String()
}

// apply approves at most limit of the mappings after AppliedTo that the rule approves, and sets AppliedTo. It does
// nothing if the rule is not enabled.
func (r *AutoApproval) apply(ctx context.Context, tx bun.Tx, limit int) (approved int64, err error) {
	if !r.Enabled {
		return 0, nil
	}
	for read, rest := 0, limit; rest > 0 && read < readPerApproval*limit; {
		size := min(reviewPage, rest)
		ids, next, err := r.listApproved(ctx, tx, r.AppliedTo, size)
		if err != nil {
			return 0, err
		}
		n, err := r.approve(ctx, tx, ids)
		if err != nil {
			return 0, err
		}
		approved += int64(n)
		read, rest, r.AppliedTo = read+size, rest-n, next
		if next == "" {
			break
		}
	}
	return approved, nil
}

// approve approves those of the mappings that the rule still approves, and returns their number.
func (r *AutoApproval) approve(ctx context.Context, tx bun.Tx, ids []string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	mappings, err := lockMappings(ctx, tx, r.CycleID, r.ReportID, ids)
	if err != nil {
		return 0, err
	}
	now, err := Now(ctx, tx)
	if err != nil {
		return 0, err
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
	if len(changes) == 0 {
		return 0, nil
	}
	batch := changeBatch{at: now, author: AutoApprover, action: HistoryActionAutoApproved}
	return len(changes), saveChanges(ctx, tx, batch, changes)
}

// Preview returns the number of mappings that the rule would approve if it was enabled, and the first [MaxProblems]
// ids. It reads the mappings page by page and locks nothing.
func (r AutoApproval) Preview(ctx context.Context, db bun.IDB) (n int64, first []string, err error) {
	r.Enabled = true
	for next := ""; ; {
		var ids []string
		if ids, next, err = r.listApproved(ctx, db, next, reviewPage); err != nil {
			return 0, nil, err
		}
		n += int64(len(ids))
		first = append(first, ids[:min(len(ids), MaxProblems-len(first))]...)
		if next == "" {
			return n, first, nil
		}
	}
}

// listApproved reads at most limit mappings after the one with the id, and returns the ids of those that the rule
// approves. Next is the last id that was read, or empty if there are no more mappings.
func (r AutoApproval) listApproved(
	ctx context.Context, db bun.IDB, after string, limit int,
) (ids []string, next string, err error) {
	filter := MappingFilter{
		CycleID: r.CycleID, ReportID: r.ReportID, ReviewStatus: ReviewStatusPending, Unmapped: new(false),
		MinConfidence: new(r.MinConfidence), Sort: MappingSortID,
	}
	page, position, err := ListMappings(ctx, db, filter, MappingPosition{Key: after, ID: after}, limit)
	if err != nil {
		return nil, "", err
	}
	for _, m := range page {
		if r.Approves(m.Mapping) {
			ids = append(ids, m.ID)
		}
	}
	if position != nil {
		next = position.ID
	}
	return ids, next, nil
}
