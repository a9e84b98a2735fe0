package check

// Action is what is done on the engine to make a finding go.
type Action string

// The actions.
const (
	NoAction Action = ""
	Restart  Action = "restart" // of the finding's services
	Cleanup  Action = "cleanup" // of what is provably the project's, is not used, and can be made again
)

// ActionOf gives what is done on the engine about the findings of a rule, and whether that may be done without asking.
func ActionOf(id string) (Action, Fix) {
	switch id {
	case "image.stale", "service.drift", "health.stuck":
		return Restart, Asked
	case "disk.engine", "disk.state", "disk.inodes":
		return Cleanup, Safe
	}
	return NoAction, NoFix
}
