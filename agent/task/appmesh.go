package task

// AppMesh is the proxy configuration of a task whose TCP traffic goes through a proxy in one of its containers.
type AppMesh struct {
	ContainerName      string
	IgnoredUID         string
	IgnoredGID         string
	ProxyIngressPort   string
	ProxyEgressPort    string
	AppPorts           []string
	EgressIgnoredIPs   []string
	EgressIgnoredPorts []string
}
