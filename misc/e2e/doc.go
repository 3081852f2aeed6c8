// Package e2e tests the agent as a program: with local-ecs for a control plane, on a real Docker engine, through public
// interfaces only. Its tests carry the build tag e2e and run one after another, because the agent's ports are fixed.
package e2e
