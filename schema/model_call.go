package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
)

// ModelPrefix begins classified_by of a mapping that a model has classified.
const ModelPrefix = "llm:"

// CallStep is what a call of a model asks for.
type CallStep string

const (
	// CallStepTables asks in which tables the column could be, before the question for it.
	CallStepTables CallStep = "tables"
	// CallStepAnswer asks for the column and the classification.
	CallStepAnswer CallStep = "answer"
	// CallStepRepair asks again after a reply that could not be used.
	CallStepRepair CallStep = "repair"
)

// CallSteps returns all steps.
func CallSteps() []CallStep { return []CallStep{CallStepTables, CallStepAnswer, CallStepRepair} }

// CallState is the state of a call of a model.
type CallState string

const (
	// CallStateSent means that the request may have been sent, and that there is no reply yet.
	CallStateSent CallState = "sent"
	// CallStateAnswered means that the provider replied. The call has its usage and its cost.
	CallStateAnswered CallState = "answered"
	// CallStateFailed means that the provider refused the request, the last time that it was sent, or that it was not
	// sent because the lane was paused or the job stopped.
	CallStateFailed CallState = "failed"
	// CallStateAborted means that the process ended the call: the job was cancelled, or the process was stopped.
	CallStateAborted CallState = "aborted"
	// CallStateLost means that the process died before it had the reply. The provider may charge for the call.
	CallStateLost CallState = "lost"
)

// CallStates returns all states.
func CallStates() []CallState {
	return []CallState{CallStateSent, CallStateAnswered, CallStateFailed, CallStateAborted, CallStateLost}
}

// ModelCall is a call of a language model for an item.
type ModelCall struct {
	bun.BaseModel `bun:"table:model_calls,alias:c"`

	ID        string    `bun:"id,pk"`
	JobID     string    `bun:"job_id"`
	MappingID string    `bun:"mapping_id"`
	Attempt   int       `bun:"attempt"`
	Step      CallStep  `bun:"step"`
	State     CallState `bun:"state"`
	// Model is the model that was asked for, and RepliedModel the one that the reply names.
	Model        string `bun:"model"`
	RepliedModel string `bun:"replied_model,nullzero"`
	// PromptVersion is the version of the prompt file. RequestSHA256 and RequestBytes describe the whole prompt.
	PromptVersion     string `bun:"prompt_version"`
	RequestSHA256     string `bun:"request_sha256"`
	RequestBytes      int64  `bun:"request_bytes"`
	InputTokens       int64  `bun:"input_tokens"`
	CachedInputTokens int64  `bun:"cached_input_tokens"`
	OutputTokens      int64  `bun:"output_tokens"`
	CostUSD           USD    `bun:"cost_usd"`
	// ReservedUSD is the most that the call can cost.
	ReservedUSD USD `bun:"reserved_usd"`
	// Reply is the body of the response.
	Reply      string    `bun:"reply,nullzero"`
	Error      string    `bun:"error,nullzero"`
	DurationMS int64     `bun:"duration_ms"`
	CreatedAt  time.Time `bun:"created_at"`
	CreatedBy  string    `bun:"created_by"`
	UpdatedAt  time.Time `bun:"updated_at"`
	UpdatedBy  string    `bun:"updated_by"`
}

// ErrCostCap means that a call could exceed the limit of cost of its job.
var ErrCostCap = errors.New("the job has reached its limit of cost")

// InsertModelCall records a call before its request is sent, and returns it with its id. Earlier calls for the item
// without a reply are recorded as lost: the process that sent them has died. If the job has a limit of cost, the
// reservation of the call is added to those of the running calls. If spent and reserved would exceed the limit
// together, nothing is recorded and the error is [ErrCostCap].
func InsertModelCall(ctx context.Context, db *DB, call ModelCall, limit USD) (ModelCall, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return call, fmt.Errorf("id of a model call: %w", err)
	}
	call.ID, call.State = id.String(), CallStateSent
	call.CreatedBy = JobAuthor(call.JobID)
	call.UpdatedBy = call.CreatedBy
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := limitLockWait(ctx, tx); err != nil {
			return err
		}
		if err := loseCalls(ctx, tx, call); err != nil {
			return err
		}
		if err := reserveCost(ctx, tx, call, limit); err != nil {
			return err
		}
		if call.CreatedAt, err = Now(ctx, tx); err != nil {
			return err
		}
		call.UpdatedAt = call.CreatedAt
		_, err := tx.NewInsert().Model(&call).Exec(ctx)
		return err
	})
	if err != nil {
		return call, fmt.Errorf("model call of mapping %s: %w", call.MappingID, err)
	}
	return call, nil
}

// loseCalls records the item's earlier calls without a reply as lost.
func loseCalls(ctx context.Context, tx bun.Tx, call ModelCall) error {
	_, err := tx.NewRaw(`with lost as (
			update model_calls set state = 'lost', updated_at = clock_timestamp(), updated_by = ?2
			where job_id = ?0 and mapping_id = ?1 and state = 'sent' returning reserved_usd
		), costs as (
			update job_costs c set spent_usd = c.spent_usd + l.usd, reserved_usd = c.reserved_usd - l.usd
			from (select coalesce(sum(reserved_usd), 0) as usd from lost) l where c.job_id = ?0 and l.usd > 0
		)
		update jobs j set lost_calls = j.lost_calls + l.calls, lost_usd = j.lost_usd + l.usd,
			version = j.version + 1, updated_at = clock_timestamp(), updated_by = ?2
		from (select count(*) as calls, coalesce(sum(reserved_usd), 0) as usd from lost) l
		where j.id = ?0 and l.calls > 0`, call.JobID, call.MappingID, call.CreatedBy).Exec(ctx)
	if err != nil {
		return fmt.Errorf("lost calls: %w", err)
	}
	return nil
}

// spentOnCalls is the sum of the costs of a job's calls that have ended. An aborted or lost call counts with the most
// that it can cost.
const spentOnCalls = `(select coalesce(sum(case when state = 'answered' then cost_usd else reserved_usd end), 0)
	from model_calls where job_id = ?0 and state in ('answered', 'aborted', 'lost'))`

// reserveCost adds the reservation of the call to those of the job's running calls, if the job has a limit.
func reserveCost(ctx context.Context, tx bun.Tx, call ModelCall, limit USD) error {
	if limit == 0 {
		return nil
	}
	// A job that gets a limit after its start has spent something.
	_, err := tx.NewRaw(`insert into job_costs (job_id, spent_usd)
		select ?0, `+spentOnCalls+`
		where not exists (select from job_costs where job_id = ?0) on conflict do nothing`,
		call.JobID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("cost of the job: %w", err)
	}
	// The limit is read from the job again: a person may have raised it.
	result, err := tx.NewRaw(`update job_costs c set reserved_usd = c.reserved_usd + ?1::numeric
		from jobs j where c.job_id = ?0 and j.id = ?0
			and c.spent_usd + c.reserved_usd + ?1::numeric <= coalesce(j.max_cost_usd, 'infinity')`,
		call.JobID, call.ReservedUSD).Exec(ctx)
	if err != nil {
		return fmt.Errorf("reserve the cost of a call: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil {
		return fmt.Errorf("reserve the cost of a call: %w", err)
	} else if n == 0 {
		return ErrCostCap
	}
	return nil
}

// EndModelCall records the end of a call: its state, usage, cost, reply and error. A call that was recorded as lost
// and has a reply after all is not lost.
func EndModelCall(ctx context.Context, db *DB, call ModelCall) error {
	call.Reply, call.Error = storedReply(call.Reply), ErrorText(call.Error)
	spent := call.CostUSD
	if call.State == CallStateAborted {
		spent = call.ReservedUSD // the provider may charge for it
	}
	_, err := db.NewRaw(`with ended as (
			update model_calls m set state = ?1, replied_model = nullif(?2, ''), input_tokens = ?3,
				cached_input_tokens = ?4, output_tokens = ?5, cost_usd = ?6::numeric, reply = nullif(?7, ''),
				error = nullif(?8, ''), duration_ms = ?9, updated_at = clock_timestamp(), updated_by = m.created_by
			from (select id, state from model_calls where id = ?0 for update) before
			where m.id = before.id returning before.state
		), costs as (
			update job_costs c set
				spent_usd = c.spent_usd + ?10::numeric - case when e.state = 'lost' then ?11::numeric else 0 end,
				reserved_usd = c.reserved_usd - case when e.state = 'lost' then 0 else ?11::numeric end
			from ended e where c.job_id = ?13
		)
		update jobs j set version = j.version + 1, updated_at = clock_timestamp(), updated_by = ?12,
			lost_calls = j.lost_calls + l.calls, lost_usd = j.lost_usd + l.calls * ?11::numeric
		from (select case when state = 'lost' then -1 else 0 end + case when ?1 = 'aborted' then 1 else 0 end as calls
			from ended) l
		where j.id = ?13 and l.calls <> 0`,
		call.ID, call.State, call.RepliedModel, call.InputTokens, call.CachedInputTokens, call.OutputTokens,
		call.CostUSD, call.Reply, call.Error, call.DurationMS, spent, call.ReservedUSD, JobAuthor(call.JobID),
		call.JobID).Exec(ctx)
	if err != nil {
		return fmt.Errorf("end of the model call of mapping %s: %w", call.MappingID, err)
	}
	return nil
}

// GetReply returns the reply to the same request for the same attempt at the item, if the result could not be saved. It
// returns [ErrNotFound] if there is none that is stored in full.
func GetReply(ctx context.Context, db bun.IDB, call ModelCall) (reply string, err error) {
	err = db.NewRaw(`select reply from model_calls where job_id = ? and mapping_id = ? and attempt = ?
			and request_sha256 = ? and state = 'answered' and octet_length(reply) < ? order by id desc limit 1`,
		call.JobID, call.MappingID, call.Attempt, call.RequestSHA256, maxStoredReply-utf8.UTFMax).Scan(ctx, &reply)
	if err != nil {
		return "", notFound(err, "reply for mapping "+call.MappingID)
	}
	return reply, nil
}

// maxStoredReply is the number of bytes of a reply that are kept.
const maxStoredReply = 64 << 10

// storedReply makes a reply fit for a text column: valid UTF-8 without NUL, and not longer than is kept.
func storedReply(reply string) string {
	if len(reply) > maxStoredReply {
		reply = reply[:maxStoredReply]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(reply, "?"), "\x00", "?")
}

// SumUsage returns the usage of all calls for the item that have a reply.
func SumUsage(ctx context.Context, db bun.IDB, jobID, mappingID string) (Usage, error) {
	var usage struct {
		InputTokens  int64 `bun:"input_tokens"`
		OutputTokens int64 `bun:"output_tokens"`
		CostUSD      USD   `bun:"cost_usd"`
	}
	err := db.NewRaw(`select coalesce(sum(input_tokens), 0)::bigint as input_tokens,
			coalesce(sum(output_tokens), 0)::bigint as output_tokens, coalesce(sum(cost_usd), 0) as cost_usd
		from model_calls where job_id = ? and mapping_id = ? and state = ?`, jobID, mappingID, CallStateAnswered).
		Scan(ctx, &usage)
	if err != nil {
		return Usage{}, fmt.Errorf("usage of mapping %s: %w", mappingID, err)
	}
	return Usage(usage), nil
}

// PastCalls sums up calls of a model that have a reply.
type PastCalls struct {
	// Calls is their number, and Planned the number of questions that they were for: a repair and a further attempt
	// repeat a question.
	Calls             int64 `bun:"calls"`
	Planned           int64 `bun:"planned"`
	RequestBytes      int64 `bun:"request_bytes"`
	InputTokens       int64 `bun:"input_tokens"`
	CachedInputTokens int64 `bun:"cached_input_tokens"`
	OutputTokens      int64 `bun:"output_tokens"`
}

// pastCalls is the number of calls that [SumPastCalls] adds up.
const pastCalls = 500

// SumPastCalls sums up the last 500 calls of the model with this version of the prompt that have a reply.
func SumPastCalls(ctx context.Context, db bun.IDB, model, promptVersion string) (past PastCalls, err error) {
	err = db.NewRaw(`select count(*) as calls, count(distinct (job_id, mapping_id, step = 'tables')) as planned,
			coalesce(sum(request_bytes), 0)::bigint as request_bytes,
			coalesce(sum(input_tokens), 0)::bigint as input_tokens,
			coalesce(sum(cached_input_tokens), 0)::bigint as cached_input_tokens,
			coalesce(sum(output_tokens), 0)::bigint as output_tokens
		from (select * from model_calls where model = ? and prompt_version = ? and state = 'answered'
			order by id desc limit ?) c`, model, promptVersion, pastCalls).Scan(ctx, &past)
	if err != nil {
		return past, fmt.Errorf("past calls of model %s: %w", model, err)
	}
	return past, nil
}

// ListModelCalls returns at most limit calls of the job after the call with the id after, in the order of ids. If
// mappingID is not empty, it returns only those for this mapping.
func ListModelCalls(
	ctx context.Context, db bun.IDB, jobID, mappingID, after string, limit int,
) ([]ModelCall, error) {
	var calls []ModelCall
	query := db.NewSelect().Model(&calls).Where("job_id = ? and id > ?", jobID, after).Order("id").Limit(int64(limit))
	if mappingID != "" {
		query = query.Where("mapping_id = ?", mappingID)
	}
	if err := query.Scan(ctx); err != nil {
		return nil, fmt.Errorf("model calls of job %s: %w", jobID, err)
	}
	return calls, nil
}

// PauseAtCap pauses a running job because its next call could exceed its limit of cost. It does nothing if the job
// does not run any more, or if a person has raised the limit since.
func PauseAtCap(ctx context.Context, db *DB, jobID string, limit USD, traceparent string) error {
	return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if err := limitLockWait(ctx, tx); err != nil {
			return err
		}
		job, err := LockJob(ctx, tx, jobID)
		if err != nil || job.Intent != IntentRun || !job.EndedAt.IsZero() || job.MaxCostUSD != limit {
			return err
		}
		spent, err := SpentUSD(ctx, tx, jobID)
		if err != nil {
			return err
		}
		job.PausedFor = fmt.Sprintf("The next call could exceed the limit of %s USD, of which %s are spent; "+
			"resume the job with a higher max_cost_usd", limit, spent)
		_, err = InsertIntent(ctx, tx, job, IntentPause, string(ServiceClassifier), traceparent)
		return err
	})
}

// SpentUSD returns what a job has spent on calls. Aborted and lost calls count with the most that they can cost.
func SpentUSD(ctx context.Context, db bun.IDB, jobID string) (spent USD, err error) {
	err = db.NewRaw("select coalesce((select spent_usd from job_costs where job_id = ?0), "+spentOnCalls+")", jobID).
		Scan(ctx, &spent)
	if err != nil {
		return 0, fmt.Errorf("cost of job %s: %w", jobID, err)
	}
	return spent, nil
}

// ExpireProviderWaits removes the waits of jobs that have ended ten seconds ago and that no classifier has renewed: the
// one that recorded them has died, or has nothing left to call. It increments the version of each such job.
func ExpireProviderWaits(ctx context.Context, db bun.IDB, by Service) error {
	_, err := db.NewRaw(`update jobs set provider_wait = null, provider_wait_until = null, version = version + 1,
			updated_at = clock_timestamp(), updated_by = ?
		where id in (select id from jobs where ended_at is null
			and provider_wait_until < clock_timestamp() - interval '10 seconds' for update skip locked)`, by).Exec(ctx)
	if err != nil {
		return fmt.Errorf("waits for a provider: %w", err)
	}
	return nil
}

// UpdateProviderWait records what the model's provider makes the job wait for, and how long, or, with an empty reason,
// that it does not. It writes only if the reason differs or the wait ends later, and increments the job's version so
// that the projector computes the status again. It reports whether it wrote.
func UpdateProviderWait(
	ctx context.Context, db bun.IDB, jobID, reason string, wait time.Duration,
) (bool, error) {
	result, err := db.NewRaw(`with `+lockTimeout+`
		update jobs j set provider_wait = nullif(?1, ''), version = j.version + 1,
			provider_wait_until = case when ?1 <> '' then clock_timestamp() + ?2 * interval '1 millisecond' end,
			updated_at = clock_timestamp(), updated_by = ?3
		from lock_timeout where is_set <> '' and j.id = ?0 and j.ended_at is null
			and (provider_wait is distinct from nullif(?1, '')
				or provider_wait_until < clock_timestamp() + (?2 - 1000) * interval '1 millisecond')`,
		jobID, reason, wait.Milliseconds(), ServiceClassifier).Exec(ctx)
	if err != nil {
		return false, fmt.Errorf("wait of job %s: %w", jobID, err)
	}
	n, err := result.RowsAffected()
	return n > 0, err
}
