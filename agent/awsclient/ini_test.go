package awsclient

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseINI(t *testing.T) {
	got := parseINI([]byte(strings.ReplaceAll(`
# comment
; comment
stray = ignored
[default]
aws_access_key_id = AKID
AWS_SECRET_ACCESS_KEY=a#b;c/d+e==   # the blank starts the comment
no equals sign
[ profile   dev ]
region =	us-west-2
services = local
[services local]
ecs =
  endpoint_url = http://127.0.0.1:1
  other=1
s3 =
  endpoint_url = http://127.0.0.1:2
[broken
lost = 1
[default]
aws_session_token = T
`, "\n", "\r\n")))
	want := iniFile{
		"default":     {"aws_access_key_id": "AKID", "aws_secret_access_key": "a#b;c/d+e==", "aws_session_token": "T"},
		"profile dev": {"region": "us-west-2", "services": "local"},
		"services local": {
			"ecs": "", "ecs.endpoint_url": "http://127.0.0.1:1", "ecs.other": "1",
			"s3": "", "s3.endpoint_url": "http://127.0.0.1:2",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseINI(f *testing.F) {
	f.Add("[a]\nb=c\n d=e\n")
	f.Add("[\n]\n=\n[]\n a")
	f.Fuzz(func(t *testing.T, text string) {
		for section, properties := range parseINI([]byte(text)) {
			for k := range properties {
				if k != strings.ToLower(k) || k == "" {
					t.Errorf("property %q in %q", k, section)
				}
			}
		}
	})
}
