// Package version says which build this is. The Makefile stamps the values with -ldflags -X.
package version

// Version is x.y.z; GitShortHash is the commit the binary was built from.
var (
	Version      = "1.0.0"
	GitShortHash = "unknown"
	gitDirty     = "false"
)

// GitDirty reports whether the binary was built from a modified tree.
var GitDirty = gitDirty == "true"
