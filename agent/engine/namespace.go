package engine

import "github.com/aws/amazon-ecs-agent/agent/task"

// shareNamespace is the PID or IPC mode of tasks whose containers see each other's processes or shared memory.
const shareNamespace = "task"

// addNamespacePause gives a task with a shared PID or IPC namespace the container that holds it. The others join the
// namespace when they are created, so it runs before their pull and until all of them have stopped.
func addNamespacePause(t *task.Task) {
	if t.PIDMode != shareNamespace && t.IPCMode != shareNamespace {
		return
	}
	pause := &task.Container{
		Name: task.NamespacePauseName, TaskARN: t.ARN, Image: task.PauseImage, Type: task.NamespacePause, Essential: true,
	}
	for i := range t.Containers {
		if t.Containers[i].Internal() {
			continue
		}
		c := t.Edit(i)
		c.Transitions = c.Transitions.RequireContainer(task.ContainerPulled, task.ContainerRequirement{Container: pause.Name, Status: task.ContainerRunning})
	}
	outliveOthers(t, pause)
	t.Containers = append(t.Containers, pause)
}

// outliveOthers makes a container that holds namespaces stop after those that are in them.
func outliveOthers(t *task.Task, pause *task.Container) {
	for _, c := range t.Containers {
		if !c.Internal() {
			pause.Transitions = pause.Transitions.RequireContainer(task.ContainerStopped, task.ContainerRequirement{Container: c.Name, Status: task.ContainerStopped})
		}
	}
}
