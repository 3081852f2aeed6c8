// Package doc holds the documentation, and tests that it tells the truth.
package doc

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that conformance.md names exists in the package it names.
func TestConformanceNamesTestsThatExist(t *testing.T) {
	known := map[string]bool{} // "package: name"
	declared := regexp.MustCompile(`(?m)^func (?:Test|Fuzz)(\w+)\(`)
	for _, root := range []string{"../agent", "../ecs-init", "../misc", "../scripts"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, match := range declared.FindAllSubmatch(text, -1) {
				pkg := filepath.Base(filepath.Dir(path))
				known[pkg+": "+string(match[1])] = true
				if root == "../ecs-init" {
					known["ecs-init/"+pkg+": "+string(match[1])] = true
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	var pkg string
	named := 0
	// A name without a package belongs to that of the name before it.
	for _, match := range regexp.MustCompile("`(?:([\\w/-]+): )?([A-Z][A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1) {
		if match[1] != "" {
			pkg = match[1]
		}
		if match[2] == "Test" {
			continue
		}
		named++
		if !known[pkg+": "+match[2]] {
			t.Errorf("no test %s in package %s", match[2], pkg)
		}
	}
	if named < 100 {
		t.Errorf("found only %d names", named)
	}
}
