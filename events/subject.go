package events

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Topic is the first two words of a subject: the kind of thing that is said there.
type Topic string

// The topics.
const (
	// TopicRegenerateRequested says that a job was asked for.
	TopicRegenerateRequested Topic = "regenerate.requested"
	// TopicMappingRequested asks for one mapping to be classified.
	TopicMappingRequested Topic = "mapping.requested"
	// TopicMappingChanged says that a person edited or reviewed a mapping.
	TopicMappingChanged Topic = "mapping.changed"
	// TopicPlanningChanged reports changes of attributes, data sources and columns.
	TopicPlanningChanged Topic = "planning.changed"
	// TopicMappingRejected says that a work message could not be understood.
	TopicMappingRejected Topic = "mapping.rejected"
	// TopicJobProgress says what happens in a job.
	TopicJobProgress Topic = "job.progress"
	// TopicJobFinished says how a job ended.
	TopicJobFinished Topic = "job.finished"
)

// Topics lists every topic.
func Topics() []Topic {
	return []Topic{
		TopicRegenerateRequested, TopicMappingRequested, TopicMappingChanged, TopicPlanningChanged, TopicMappingRejected,
		TopicJobProgress, TopicJobFinished,
	}
}

// Type is the ce-type of the events of this topic.
func (t Topic) Type() string { return "io.pdeflow." + string(t) + ".v1" }

// Filter matches every subject of the topic, such as job.progress.*.
func (t Topic) Filter() string {
	if t == TopicMappingRequested {
		return string(t) + ".*.*.*"
	}
	return string(t) + ".*"
}

// Subject is where an event is said. Which fields are set depends on the topic: a job's topics have JobID, mapping.changed has
// MappingID, mapping.requested has both and Lane, planning.changed has ChangeID, mapping.rejected has Reason.
type Subject struct {
	Topic     Topic
	JobID     string
	MappingID string
	ChangeID  string
	Lane      schema.Lane
	Reason    Reason
}

// RegenerateRequestedSubject is where it is said that the job was asked for.
func RegenerateRequestedSubject(jobID string) Subject {
	return Subject{Topic: TopicRegenerateRequested, JobID: jobID}
}

// MappingRequestedSubject is where the work on one mapping of a job waits. There is room for one message: the stream refuses a second
// until the first is acknowledged.
func MappingRequestedSubject(lane schema.Lane, jobID, mappingID string) Subject {
	return Subject{Topic: TopicMappingRequested, Lane: lane, JobID: jobID, MappingID: mappingID}
}

// MappingChangedSubject is where people's changes of the mapping are said.
func MappingChangedSubject(mappingID string) Subject {
	return Subject{Topic: TopicMappingChanged, MappingID: mappingID}
}

// PlanningChangedSubject is the subject of one change of planning data.
func PlanningChangedSubject(changeID string) Subject {
	return Subject{Topic: TopicPlanningChanged, ChangeID: changeID}
}

// MappingRejectedSubject is where work messages go that could not be understood for this reason.
func MappingRejectedSubject(reason Reason) Subject {
	return Subject{Topic: TopicMappingRejected, Reason: reason}
}

// JobProgressSubject is where it is said what happens in the job.
func JobProgressSubject(jobID string) Subject { return Subject{Topic: TopicJobProgress, JobID: jobID} }

// JobFinishedSubject is where it is said how the job ended.
func JobFinishedSubject(jobID string) Subject { return Subject{Topic: TopicJobFinished, JobID: jobID} }

// String is the subject as NATS knows it.
func (s Subject) String() string {
	switch s.Topic {
	case TopicMappingRequested:
		return strings.Join([]string{string(s.Topic), string(s.Lane), s.JobID, s.MappingID}, ".")
	case TopicMappingChanged:
		return string(s.Topic) + "." + s.MappingID
	case TopicPlanningChanged:
		return string(s.Topic) + "." + s.ChangeID
	case TopicMappingRejected:
		return string(s.Topic) + "." + string(s.Reason)
	case TopicRegenerateRequested, TopicJobProgress, TopicJobFinished:
		return string(s.Topic) + "." + s.JobID
	default:
		return string(s.Topic)
	}
}

// about is the ce-subject: the id of what the event is about, empty where there is no such thing.
func (s Subject) about() string {
	return cmp.Or(s.MappingID, s.JobID, s.ChangeID)
}

// check returns a [*SubjectError] unless the subject can be published to and parsed again.
func (s Subject) check() error {
	parsed, err := ParseSubject(s.String())
	if err != nil {
		return err
	}
	if parsed != s {
		return &SubjectError{Subject: s.String(), Problem: "has parts that its topic does not carry"}
	}
	return nil
}

// ParseSubject takes a subject apart. The error is a [*SubjectError].
func ParseSubject(subject string) (Subject, error) {
	words := strings.Split(subject, ".")
	wrong := func(problem string) (Subject, error) {
		return Subject{}, &SubjectError{Subject: subject, Problem: problem}
	}
	if len(words) < 3 {
		return wrong("has fewer than three words")
	}
	s := Subject{Topic: Topic(words[0] + "." + words[1])}
	if !slices.Contains(Topics(), s.Topic) {
		return wrong("is of no topic of ours")
	}
	ids := words[2:]
	if want := strings.Count(s.Topic.Filter(), "*"); len(ids) != want {
		return wrong(fmt.Sprintf("has %d words after its topic, not %d", len(ids), want))
	}
	for _, id := range ids {
		if err := CheckID(id); err != nil {
			return wrong(err.Error())
		}
	}
	switch s.Topic {
	case TopicMappingRequested:
		s.Lane, s.JobID, s.MappingID = schema.Lane(ids[0]), ids[1], ids[2]
		if !slices.Contains(schema.Lanes(), s.Lane) {
			return wrong("names no lane")
		}
	case TopicMappingChanged:
		s.MappingID = ids[0]
	case TopicPlanningChanged:
		s.ChangeID = ids[0]
	case TopicMappingRejected:
		s.Reason = Reason(ids[0])
	case TopicRegenerateRequested, TopicJobProgress, TopicJobFinished:
		s.JobID = ids[0]
	}
	return s, nil
}

// SubjectError says why a text is not one of the project's subjects.
type SubjectError struct {
	Subject string
	Problem string
}

func (e *SubjectError) Error() string { return fmt.Sprintf("subject %q %s", e.Subject, e.Problem) }

// maxID is longer than any id that we make, and short enough for a subject of four words.
const maxID = 128

// CheckID reports whether the id of a job or a mapping can stand in a subject and in an event's id: it is not empty, at most 128
// characters long, and made of visible ASCII without the characters that mean something there: . * > and /. The error is an [*IDError].
func CheckID(id string) error {
	switch {
	case id == "":
		return &IDError{ID: id, Problem: "is empty"}
	case len(id) > maxID:
		return &IDError{ID: id[:maxID], Problem: fmt.Sprintf("is longer than %d characters", maxID)}
	}
	for _, r := range id {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(".*>/", r) {
			return &IDError{ID: id, Problem: fmt.Sprintf("contains %q", r)}
		}
	}
	return nil
}

// IDError says why a text cannot be the id of a job or a mapping.
type IDError struct {
	ID      string
	Problem string
}

func (e *IDError) Error() string { return fmt.Sprintf("id %q %s", e.ID, e.Problem) }
