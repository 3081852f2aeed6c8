// Package clients holds tests of what other people's programs meet: clients of AWS that talk to local-ecs and to the agent's endpoints
// as they are published. It is a module of its own, so that their weight stays out of the agent's.
package clients
