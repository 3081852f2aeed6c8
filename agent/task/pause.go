package task

// NetworkPauseName is the name of the container that holds the network of a task in mode awsvpc. No container of a task
// definition can have it.
const NetworkPauseName = "~internal~ecs~pause"

// NamespacePauseName is the name of the container that holds the PID and IPC namespaces of a task's containers. No
// container of a task definition can have it.
const NamespacePauseName = "~internal~ecs~pause~namespace"

// PauseImage is the image of pause containers that comes with the agent. It is loaded from a file and never pulled.
const PauseImage = "amazon/amazon-ecs-pause:0.1.0"
