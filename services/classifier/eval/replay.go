package eval

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pdeflow/pdeflow/schema"
	"github.com/pdeflow/pdeflow/services/classifier/llm"
	"github.com/pdeflow/pdeflow/services/classifier/llm/provider"
)

// Recorded is a reply of a model with the digest of its request. The fields are those of the calls of a job.
type Recorded struct {
	RequestSHA256 string          `json:"request_sha256"`
	Model         string          `json:"model"`
	PromptVersion string          `json:"prompt_version"`
	Step          schema.CallStep `json:"step"`
	// Reply is the body of the response.
	Reply string `json:"reply"`
}

// Record returns a Send that sends through another one and writes each reply to w, one JSON object per line.
func Record(model *llm.Model, send llm.Send, w io.Writer) llm.Send {
	var mu sync.Mutex
	return func(ctx context.Context, step schema.CallStep, r provider.Request) (provider.Reply, error) {
		reply, err := send(ctx, step, r)
		if len(reply.Raw) == 0 {
			return reply, err
		}
		mu.Lock()
		defer mu.Unlock()
		return reply, errors.Join(err, json.NewEncoder(w).Encode(Recorded{
			RequestSHA256: model.Hash(r), Model: model.Name(), PromptVersion: model.Prompt().Version(), Step: step,
			Reply: string(reply.Raw),
		}))
	}
}

// Replay returns a Send that answers with recorded replies. It reads what Record has written, or lists of the calls of
// a job. The error of the Send for a request without a reply is [ErrNotRecorded].
func Replay(model *llm.Model, r io.Reader) (llm.Send, error) {
	replies := map[string]string{}
	for decoder := json.NewDecoder(r); ; {
		var record struct {
			Recorded
			Items []Recorded `json:"items"`
		}
		err := decoder.Decode(&record)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("recorded replies: %w", err)
		}
		for _, one := range append(record.Items, record.Recorded) {
			if one.Reply != "" {
				replies[one.RequestSHA256] = one.Reply
			}
		}
	}
	return func(_ context.Context, _ schema.CallStep, r provider.Request) (provider.Reply, error) {
		reply, ok := replies[model.Hash(r)]
		if !ok {
			return provider.Reply{}, ErrNotRecorded
		}
		return model.Decode([]byte(reply))
	}, nil
}

// ErrNotRecorded means that a request has no recorded reply: the prompt, the model, the policy or the columns are not
// those of the recording.
var ErrNotRecorded = errors.New("the request has no recorded reply")
