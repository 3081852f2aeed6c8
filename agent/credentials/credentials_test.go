package credentials

import (
	"fmt"
	"strings"
	"testing"
)

func TestCredentialsAreNeverPrinted(t *testing.T) {
	c := Credentials{ID: "0123456789-abc", RoleARN: "arn:role", AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token"}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprint(&c), fmt.Sprintf("%s", []Credentials{c})} {
		if !strings.Contains(text, "arn:role") || !strings.Contains(text, "01234567-REDACTED") {
			t.Errorf("%q", text)
		}
		for _, hidden := range []string{"AKID", "secret", "token", "89-abc"} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s in %q", hidden, text)
			}
		}
	}
	if got := Redact("short"); got != "REDACTED" {
		t.Error(got)
	}
}

// What is expected, held and gone are three answers of the endpoint.
func TestStore(t *testing.T) {
	var s Store
	want := func(id string, held, known bool) {
		t.Helper()
		if c, is := s.Get(id); (c != nil) != held || is != known {
			t.Errorf("%s: %v, %t", id, c, is)
		}
	}
	want("a", false, false)
	s.Expect("a")
	s.Expect("")
	want("a", false, true)
	want("", false, false)
	s.Set(Credentials{ID: "a", TaskARN: "t", RoleType: Application})
	s.Expect("a")
	want("a", true, true)
	s.Set(Credentials{ID: "b", TaskARN: "t", RoleType: Application})
	s.Set(Credentials{ID: "c", TaskARN: "t", RoleType: Execution})
	s.Set(Credentials{ID: "d", TaskARN: "u", RoleType: Application})
	s.Expect("e")
	s.RemoveRole("t", Application, "e")
	for id, left := range map[string]bool{"a": false, "b": false, "c": true, "d": true, "e": false} {
		want(id, left, left)
	}
	s.Remove("c")
	want("c", false, false)
}
