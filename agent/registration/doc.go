// Package registration brings the host into its cluster: what it has (resources), what it can do (capabilities), who it is
// (saved and current identity), and the RegisterContainerInstance call with its retries and exit codes. The waits around
// it, warm pool, VPC look-up and spot notices, are here as well.
//
// Everything about the host arrives as values ([Facts], [Host], [Saved]), so the rules are tested without one.
package registration
