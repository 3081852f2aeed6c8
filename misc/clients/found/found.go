// Package found is what the probe tells the test.
package found

import "time"

// Found is what published clients made of the agent's answers.
type Found struct {
	AccessKeyID       string
	CredentialsSource string
	CredentialsExpire time.Time
	HasSecret         bool // the secret itself stays in the container

	Resource map[string]string // attributes of the resource detector

	Metrics        map[string]bool
	MetricResource map[string]string
}
