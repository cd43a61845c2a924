package events

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pdeflow/pdeflow/schema"
)

// Topic is the first two tokens of a subject.
type Topic string

const (
	// TopicRegenerateRequested is the topic of [RegenerateRequested].
	TopicRegenerateRequested Topic = "regenerate.requested"
	// TopicMappingRequested is the topic of [MappingRequested].
	TopicMappingRequested Topic = "mapping.requested"
	// TopicMappingChanged is the topic of [MappingChanged].
	TopicMappingChanged Topic = "mapping.changed"
	// TopicPlanningChanged is the topic of [PlanningChanged].
	TopicPlanningChanged Topic = "planning.changed"
	// TopicMappingRejected is the topic of [MappingRejected].
	TopicMappingRejected Topic = "mapping.rejected"
	// TopicJobProgress is the topic of [JobProgress].
	TopicJobProgress Topic = "job.progress"
	// TopicJobFinished is the topic of [JobFinished].
	TopicJobFinished Topic = "job.finished"
)

// Topics returns every topic.
func Topics() []Topic {
	return []Topic{
		TopicRegenerateRequested, TopicMappingRequested, TopicMappingChanged, TopicPlanningChanged,
		TopicMappingRejected,
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

// Subject is a parsed subject. A job's topics set JobID, mapping.changed sets MappingID, mapping.requested
// sets both and Lane, planning.changed sets ChangeID, mapping.rejected sets Reason.
type Subject struct {
	Topic     Topic
	JobID     string
	MappingID string
	ChangeID  string
	Lane      schema.Lane
	Reason    Reason
}

// RegenerateRequestedSubject is regenerate.requested.<job>.
func RegenerateRequestedSubject(jobID string) Subject {
	return Subject{Topic: TopicRegenerateRequested, JobID: jobID}
}

// MappingRequestedSubject is mapping.requested.<lane>.<job>.<mapping>. The stream stores one message per
// subject and refuses a second one until the first is acknowledged.
func MappingRequestedSubject(lane schema.Lane, jobID, mappingID string) Subject {
	return Subject{Topic: TopicMappingRequested, Lane: lane, JobID: jobID, MappingID: mappingID}
}

// MappingChangedSubject is mapping.changed.<mapping>.
func MappingChangedSubject(mappingID string) Subject {
	return Subject{Topic: TopicMappingChanged, MappingID: mappingID}
}

// PlanningChangedSubject is planning.changed.<change>.
func PlanningChangedSubject(changeID string) Subject {
	return Subject{Topic: TopicPlanningChanged, ChangeID: changeID}
}

// MappingRejectedSubject is mapping.rejected.<reason>.
func MappingRejectedSubject(reason Reason) Subject {
	return Subject{Topic: TopicMappingRejected, Reason: reason}
}

// JobProgressSubject is job.progress.<job>.
func JobProgressSubject(jobID string) Subject { return Subject{Topic: TopicJobProgress, JobID: jobID} }

// JobFinishedSubject is job.finished.<job>.
func JobFinishedSubject(jobID string) Subject { return Subject{Topic: TopicJobFinished, JobID: jobID} }

// String returns the subject with its tokens separated by dots.
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

// about is the ce-subject.
func (s Subject) about() string {
	return cmp.Or(s.MappingID, s.JobID, s.ChangeID)
}

// check returns a [*SubjectError] unless String parses to the same Subject.
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

// ParseSubject parses a subject of pdeflow. The error is a [*SubjectError].
func ParseSubject(subject string) (Subject, error) {
	words := strings.Split(subject, ".")
	wrong := func(problem string) (Subject, error) {
		return Subject{}, &SubjectError{Subject: subject, Problem: problem}
	}
	if len(words) < 3 {
		return wrong("has fewer than three tokens")
	}
	s := Subject{Topic: Topic(words[0] + "." + words[1])}
	if !slices.Contains(Topics(), s.Topic) {
		return wrong("has an unknown topic")
	}
	ids := words[2:]
	if want := strings.Count(s.Topic.Filter(), "*"); len(ids) != want {
		return wrong(fmt.Sprintf("has %d tokens after its topic, want %d", len(ids), want))
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
			return wrong("has an unknown lane")
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

// SubjectError is the error of a text that is not a subject of pdeflow.
type SubjectError struct {
	Subject string
	Problem string
}

func (e *SubjectError) Error() string { return fmt.Sprintf("subject %q %s", e.Subject, e.Problem) }

// maxID is more than pdeflow needs for its ids and little enough for a subject of four tokens.
const maxID = 128

// CheckID reports whether a text may be the id of a job or a mapping, which becomes a token of a subject and a
// part of a ce-id: 1 to 128 characters of visible ASCII except . * > and /. The error is an [*IDError].
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

// IDError is the error of a text that is not a valid id.
type IDError struct {
	ID      string
	Problem string
}

func (e *IDError) Error() string { return fmt.Sprintf("id %q %s", e.ID, e.Problem) }
