// Package release says which build of ecs-init this is. The makefile stamps the values with -ldflags -X.
package release

// Version is x.y.z, of ecs-init and of the agent it was built for; Revision is the commit; Dirty is "true" when that
// commit had local changes. All are empty in a build without stamps.
var (
	Version  string
	Revision string
	Dirty    string
)

// Text is what `amazon-ecs-init version` prints; ok is false when the build has no stamps.
func Text() (text string, ok bool) {
	if Version == "" || Revision == "" {
		return "", false
	}
	hash := Revision
	if Dirty == "true" {
		hash = "*" + hash
	}
	return "ecs-init version " + Version + " (" + hash + ")", true
}
