package schema

// Service is a service of pdeflow. It signs the rows that it writes (updated_by) and the events that it publishes
// (ce-source).
type Service string

const (
	// ServiceAPI serves HTTP.
	ServiceAPI Service = "api"
	// ServiceDispatcher lists the items of jobs and publishes work.
	ServiceDispatcher Service = "dispatcher"
	// ServiceClassifier processes mappings.
	ServiceClassifier Service = "classifier"
	// ServiceProjector maintains the status of jobs.
	ServiceProjector Service = "projector"
	// ServiceAuditor maintains the audit log.
	ServiceAuditor Service = "auditor"
)

// Services returns every service.
func Services() []Service {
	return []Service{ServiceAPI, ServiceDispatcher, ServiceClassifier, ServiceProjector, ServiceAuditor}
}
