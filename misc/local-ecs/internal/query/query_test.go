package query

import "testing"

func TestMatch(t *testing.T) {
	facts := map[string][]string{
		"attribute:ecs.instance-type": {"t3.small"},
		"attribute:ecs.os-type":       {"linux"},
		"attribute:stack":             {""},
		"agentVersion":                {"1.105.1"},
		"runningTasksCount":           {"3"},
		"task:group":                  {"family:web", "service:api"},
	}
	subject := func(name string) ([]string, bool) { v, ok := facts[name]; return v, ok }
	for text, want := range map[string]bool{
		"": true,
		"attribute:ecs.instance-type == t3.small":                             true,
		"attribute:ecs.instance-type == 't3.small'":                           true,
		"attribute:ecs.instance-type != t3.small":                             false,
		"attribute:ecs.instance-type =~ t3.*":                                 true,
		"attribute:ecs.instance-type =~ t3":                                   false,
		"attribute:ecs.instance-type in [t2.small, t3.small]":                 true,
		"attribute:ecs.instance-type not_in [t2.small,t3.nano]":               true,
		"attribute:stack exists":                                              true,
		"attribute:gpu exists":                                                false,
		"attribute:gpu !exists":                                               true,
		"attribute:gpu == x":                                                  false,
		"attribute:gpu != x":                                                  true,
		"not(task:group == family:web)":                                       false,
		"task:group == service:api":                                           true,
		"task:group != service:other":                                         true,
		"agentVersion >= 1.9.0":                                               true,
		"agentVersion < 1.105.0":                                              false,
		"runningTasksCount > 2 and attribute:ecs.os-type==linux":              true,
		"runningTasksCount > 3 || (attribute:ecs.os-type == linux)":           true,
		"runningTasksCount > 3 and attribute:a exists or agentVersion exists": true,
		"!(runningTasksCount > 2)":                                            false,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := e.Match(subject); got != want {
			t.Errorf("%q = %v, want %v", text, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{
		"attribute:", "colour == red", "attribute:a", "attribute:a ==", "attribute:a = b", "attribute:a ~ b",
		"attribute:a == b c", "(attribute:a exists", "attribute:a in b", "attribute:a in [b", "attribute:a in []",
		"attribute:a == 'b", "and", "attribute:a =~ [", "not", "attribute:a exists and",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("attribute:a == b and not (agentVersion > 1.2 or task:group in [a, 'b'])")
	f.Add("((((")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err == nil {
			e.Match(func(string) ([]string, bool) { return []string{"x"}, true })
		}
	})
}
