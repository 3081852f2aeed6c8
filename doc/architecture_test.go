package doc

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/aws/amazon-ecs-agent/"

var quoted = regexp.MustCompile("`([^`]+)`")

func architecture(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// importsBelow gives what each package below a directory of the repository imports of this module, tests apart.
func importsBelow(t *testing.T, root string) map[string][]string {
	t.Helper()
	packages := map[string][]string{}
	err := filepath.WalkDir("../"+root, func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "../")
		packages[name] = slices.Clip(packages[name])
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if ours, is := strings.CutPrefix(imported, module); is {
				packages[name] = append(packages[name], ours)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// Imports of the agent only go down the floors of the architecture page, and each package is on one.
func TestImportsOnlyGoDown(t *testing.T) {
	floors := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d) [^|]*\|([^|]*)\|`).FindAllStringSubmatch(architecture(t), -1) {
		floor, _ := strconv.Atoi(row[1])
		for _, name := range quoted.FindAllStringSubmatch(row[2], -1) {
			floors[strings.TrimSuffix(name[1], "/…")] = floor
		}
	}
	floorOf := func(name string) (int, bool) {
		for at := name; at != "agent" && at != "."; at = path.Dir(at) {
			if floor, listed := floors[at]; listed {
				return floor, true
			}
		}
		return floors["agent"], name == "agent"
	}
	for name, imports := range importsBelow(t, "agent") {
		floor, listed := floorOf(name)
		if !listed {
			t.Errorf("%s is on no floor", name)
		}
		for _, imported := range imports {
			if below, listed := floorOf(imported); !listed || below > floor {
				t.Errorf("%s, on floor %d, imports %s", name, floor, imported)
			}
		}
	}
}

func TestEachPackageIsExplained(t *testing.T) {
	explained := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(architecture(t), -1) {
		for _, name := range quoted.FindAllStringSubmatch(row[1], -1) {
			explained[name[1]] = true
		}
	}
	for _, root := range []string{"agent", "ecs-init"} {
		for name := range importsBelow(t, root) {
			short := strings.TrimPrefix(name, root+"/")
			known := name == root || explained[short] || explained[short+"/…"] || explained[path.Dir(short)+"/…"]
			part := strings.Contains(short, "/internal/") || explained[path.Dir(short)]
			if !known && !part {
				t.Errorf("%s is in no table of ARCHITECTURE.md", name)
			}
		}
	}
}

func TestWhatTheTwoTreesShare(t *testing.T) {
	text := regexp.MustCompile(`(?s)share only the\s+agent's (.*?)\.`).FindString(architecture(t))
	shared := map[string]bool{}
	for _, name := range quoted.FindAllStringSubmatch(text, -1) {
		shared["agent/"+name[1]] = true
	}
	for name, imports := range importsBelow(t, "ecs-init") {
		for _, imported := range imports {
			if !strings.HasPrefix(imported, "ecs-init/") && !shared[imported] {
				t.Errorf("%s imports %s", name, imported)
			}
		}
	}
}
