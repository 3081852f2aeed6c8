package task

// Connection is what a task gets with its network (mode awsvpc).
type Connection struct {
	// LocalIPAddress is the task's address on the agent's own bridge.
	LocalIPAddress string
	// Namespace is the path of the network namespace, Interface the one to the outside in it.
	Namespace, Interface string
}
