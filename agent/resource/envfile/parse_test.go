package envfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
)

func TestParse(t *testing.T) {
	type vars = map[string]string
	cases := []struct {
		name, content string
		want          vars
		nameless      []int
	}{
		{"typical", "key1=value\nkey2=val1=val2\nkey3=\n", vars{"key1": "value", "key2": "val1=val2", "key3": ""}, nil},
		{"comments begin the line", "#a=b\n #c=d\n", vars{" #c": "d"}, nil},
		{"lines without = or without a name", "justtext\n=value\n\nA=1", vars{"A": "1"}, []int{2}},
		{"nothing is trimmed or unquoted", " A = \"x y\" \nexport B=1\n", vars{" A ": ` "x y" `, "export B": "1"}, nil},
		{"one CR at the end of a line is dropped", "A=1\r\nB=2\r\r\n", vars{"A": "1", "B": "2\r"}, nil},
		{"the last one counts", "A=1\nA=2\n", vars{"A": "2"}, nil},
		{"a byte order mark belongs to the name", "\ufeffA=1\n", vars{"\ufeffA": "1"}, nil},
		{"empty", "", vars{}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var nameless []int
			got, err := parse(strings.NewReader(c.content), func(line int) { nameless = append(nameless, line) })
			if err != nil {
				t.Fatal(err)
			}
			check(t, "variables", got, c.want)
			check(t, "lines without a name", nameless, c.nameless)
		})
	}
}

func TestLongLines(t *testing.T) {
	nameless := func(int) {}
	if _, err := parse(strings.NewReader("A="+strings.Repeat("x", 65536-3)), nameless); err != nil {
		t.Errorf("a line just short enough: %v", err)
	}
	_, err := parse(strings.NewReader("A="+strings.Repeat("x", 65536-2)+"\nB=1\n"), nameless)
	wantError(t, err, "bufio.Scanner: token too long")
}

// Whatever a file contains, names and values are pieces of it that can be told apart again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"A=1\n", "#x\n=\n\r\n", "A=b=c\nA=\n", "\x00=\xff\n", strings.Repeat("x", 70000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		got, err := parse(strings.NewReader(content), func(int) {})
		if err != nil && err.Error() != "bufio.Scanner: token too long" {
			t.Fatal(err)
		}
		for name, value := range got {
			if name == "" || name[0] == '#' || strings.ContainsAny(name, "=\n") || strings.Contains(value, "\n") || !strings.Contains(content, name+"="+value) {
				t.Errorf("%q=%q from %q", name, value, content)
			}
		}
	})
}

// Whatever an ARN says, its file is below the directory of the task, and nothing else is written or removed.
func FuzzPathsStayInside(f *testing.F) {
	for _, seed := range []string{"bucket/app.env", "bucket/../../x", "../x/y", "b/a\\..\\..\\x", "b//etc/passwd", "b/./../..", "b/tmp_env/x", "b/\x00", "b/" + strings.Repeat("d/", 500), "tmp_env/..", ".../..."} {
		f.Add("arn:aws:s3:::" + seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		bucket, key, err := awsapi.ParseObjectARN(value)
		if err != nil || len(key) > 1024 { // longer ones are no keys in Amazon S3
			return
		}
		k := newCraft(t, &fakeS3{objects: map[string]string{bucket + "/" + key: "A=1"}})
		tk := withFiles(value)
		created := create(t, k, tk)
		const inside = "envfiles/mycluster/3de392df6bfa470b97edaa6f482cd7a0/"
		above := filepath.Dir(k.Dir)
		for name := range files(t, above) {
			if !strings.HasPrefix(name, inside) {
				t.Errorf("%q was written for %q", name, value)
			}
		}
		got, err := k.Variables(tk, tk.Containers[0])
		if created == nil && (err != nil || len(got) != 1 || got[0]["A"] != "1") {
			t.Errorf("%q: read %v, %v", value, got, err)
		}
		if created != nil && len(files(t, above)) > 0 {
			t.Errorf("%q: %v, and files are left", value, created)
		}
		if err := k.Remove(t.Context(), tk, &tk.Resources[0]); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(k.Dir); err == nil {
			t.Errorf("%q: directories are left", value)
		}
		if _, err := os.Stat(above); err != nil {
			t.Errorf("%q: too much was removed", value)
		}
	})
}
