package schema

// ClassifierKind is the kind of classifier that a job uses.
type ClassifierKind string

const (
	// ClassifierRules applies the policy file.
	ClassifierRules ClassifierKind = "rules"
	// ClassifierLLM calls a language model.
	ClassifierLLM ClassifierKind = "llm"
	// ClassifierHybrid applies the policy file, and calls a language model if the rules are unsure.
	ClassifierHybrid ClassifierKind = "hybrid"
)

// ClassifierKinds returns all classifiers.
func ClassifierKinds() []ClassifierKind {
	return []ClassifierKind{ClassifierRules, ClassifierLLM, ClassifierHybrid}
}

// Lane returns the lane of the jobs that use this classifier.
func (k ClassifierKind) Lane() Lane {
	if k == ClassifierRules {
		return LaneRules
	}
	return LaneLLM
}

// Lane is one of the two queues of work. They are separate because different resources limit them, so that
// neither delays the other.
type Lane string

const (
	// LaneRules is limited by the database.
	LaneRules Lane = "rules"
	// LaneLLM is limited by the model's provider.
	LaneLLM Lane = "llm"
)

// Lanes returns all lanes.
func Lanes() []Lane { return []Lane{LaneRules, LaneLLM} }
