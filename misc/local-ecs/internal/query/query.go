// Package query is the cluster query language: expressions over container instances used by memberOf placement
// constraints and by the filter of ListContainerInstances.
//
//	expression := and { ("or" | "||") and }
//	and        := unary { ("and" | "&&") unary }
//	unary      := ("not" | "!") unary | "(" expression ")" | term
//	term       := subject "exists" | subject "!exists" | subject operator value | subject ("in" | "not_in") "[" values "]"
//	operator   := == equals != not_equals > greater_than >= greater_than_equal < less_than <= less_than_equal =~ matches !~ not_matches
//
// Subjects: attribute:NAME, ec2InstanceId, agentConnected, agentVersion, runningTasksCount, pendingTasksCount,
// registeredAt, task:group.
package query

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Subject is what an expression looks at: the values a name has, and whether it has any. Most names have one value;
// task:group has one for each task.
type Subject func(name string) (values []string, ok bool)

// Expression is a parsed expression. The zero value matches everything.
type Expression struct{ eval func(Subject) bool }

// Match evaluates the expression.
func (e Expression) Match(s Subject) bool { return e.eval == nil || e.eval(s) }

// Parse reads an expression; an empty one matches everything.
func Parse(text string) (Expression, error) {
	tokens, err := scan(text)
	if err != nil || len(tokens) == 0 {
		return Expression{}, err
	}
	p := &parser{tokens: tokens}
	eval, err := p.expression()
	if err != nil {
		return Expression{}, err
	}
	if p.pos < len(p.tokens) {
		return Expression{}, fmt.Errorf("unexpected %q after the expression", p.tokens[p.pos].text)
	}
	return Expression{eval}, nil
}

type token struct {
	text   string
	quoted bool
}

func (t token) is(words ...string) bool { return !t.quoted && slices.Contains(words, t.text) }

var symbols = []string{"!exists", "==", "!=", ">=", "<=", "=~", "!~", "&&", "||", ">", "<", "(", ")", "[", "]", ",", "!"}

func scan(text string) ([]token, error) {
	var out []token
next:
	for text = strings.TrimLeft(text, " \t\r\n"); text != ""; text = strings.TrimLeft(text, " \t\r\n") {
		if q := text[0]; q == '"' || q == '\'' {
			end := strings.IndexByte(text[1:], q)
			if end < 0 {
				return nil, fmt.Errorf("unterminated string %s", text)
			}
			out = append(out, token{text[1 : 1+end], true})
			text = text[2+end:]
			continue
		}
		for _, s := range symbols {
			if strings.HasPrefix(text, s) {
				out = append(out, token{text: s})
				text = text[len(s):]
				continue next
			}
		}
		end := strings.IndexAny(text, " \t\r\n()[],=!<>&|\"'")
		if end < 0 {
			end = len(text)
		}
		if end == 0 {
			return nil, fmt.Errorf("unexpected %q", text[:1])
		}
		out = append(out, token{text: text[:end]})
		text = text[end:]
	}
	return out, nil
}

type parser struct {
	tokens []token
	pos    int
	depth  int
}

// maxDepth bounds nesting, so that no input can exhaust the stack.
const maxDepth = 100

func (p *parser) next() (token, bool) {
	if p.pos >= len(p.tokens) {
		return token{}, false
	}
	p.pos++
	return p.tokens[p.pos-1], true
}

func (p *parser) accept(words ...string) bool {
	if p.pos < len(p.tokens) && p.tokens[p.pos].is(words...) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expression() (func(Subject) bool, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested too deeply")
	}
	defer func() { p.depth-- }()
	left, err := p.conjunction()
	for err == nil && p.accept("or", "||") {
		l := left
		var r func(Subject) bool
		r, err = p.conjunction()
		left = func(s Subject) bool { return l(s) || r(s) }
	}
	return left, err
}

func (p *parser) conjunction() (func(Subject) bool, error) {
	left, err := p.unary()
	for err == nil && p.accept("and", "&&") {
		l := left
		var r func(Subject) bool
		r, err = p.unary()
		left = func(s Subject) bool { return l(s) && r(s) }
	}
	return left, err
}

func (p *parser) unary() (func(Subject) bool, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("nested too deeply")
	}
	defer func() { p.depth-- }()
	if p.accept("not", "!") {
		inner, err := p.unary()
		return func(s Subject) bool { return !inner(s) }, err
	}
	if p.accept("(") {
		inner, err := p.expression()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("missing )")
		}
		return inner, err
	}
	return p.term()
}

var subjects = []string{"ec2InstanceId", "agentConnected", "agentVersion", "runningTasksCount", "pendingTasksCount", "registeredAt", "task:group"}

func (p *parser) term() (func(Subject) bool, error) {
	name, ok := p.next()
	if !ok {
		return nil, fmt.Errorf("unexpected end of expression")
	}
	if !slices.Contains(subjects, name.text) && (!strings.HasPrefix(name.text, "attribute:") || name.text == "attribute:") {
		return nil, fmt.Errorf("unknown subject %q", name.text)
	}
	op, ok := p.next()
	if !ok {
		return nil, fmt.Errorf("missing operator after %q", name.text)
	}
	switch {
	case op.is("exists"):
		return func(s Subject) bool { _, ok := s(name.text); return ok }, nil
	case op.is("!exists"):
		return func(s Subject) bool { _, ok := s(name.text); return !ok }, nil
	case op.is("in", "not_in"):
		set, err := p.list()
		want := op.is("in")
		return anyValue(name.text, want, func(v string) bool { return slices.Contains(set, v) }), err
	}
	value, ok := p.next()
	if !ok {
		return nil, fmt.Errorf("missing value after %q", op.text)
	}
	return comparison(name.text, op, value.text)
}

// anyValue is true when some value passes test, or, for a negative operator (want false), when none does.
func anyValue(name string, want bool, test func(string) bool) func(Subject) bool {
	return func(s Subject) bool {
		values, _ := s(name)
		return slices.ContainsFunc(values, test) == want
	}
}

func comparison(name string, op token, value string) (func(Subject) bool, error) {
	order := func(ok func(int) bool) (func(Subject) bool, error) {
		return anyValue(name, true, func(v string) bool { return ok(compare(v, value)) }), nil
	}
	switch {
	case op.is("==", "equals"):
		return anyValue(name, true, func(v string) bool { return v == value }), nil
	case op.is("!=", "not_equals"):
		return anyValue(name, false, func(v string) bool { return v == value }), nil
	case op.is("=~", "matches", "!~", "not_matches"):
		re, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", value, err)
		}
		return anyValue(name, op.is("=~", "matches"), re.MatchString), nil
	case op.is(">", "greater_than"):
		return order(func(c int) bool { return c > 0 })
	case op.is(">=", "greater_than_equal"):
		return order(func(c int) bool { return c >= 0 })
	case op.is("<", "less_than"):
		return order(func(c int) bool { return c < 0 })
	case op.is("<=", "less_than_equal"):
		return order(func(c int) bool { return c <= 0 })
	}
	return nil, fmt.Errorf("unknown operator %q", op.text)
}

// compare orders numbers and dotted versions part by part, everything else as text.
func compare(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.ParseFloat(as[i], 64)
		y, errY := strconv.ParseFloat(bs[i], 64)
		switch {
		case errX != nil || errY != nil:
			if c := strings.Compare(as[i], bs[i]); c != 0 {
				return c
			}
		case x < y:
			return -1
		case x > y:
			return 1
		}
	}
	return len(as) - len(bs)
}

func (p *parser) list() ([]string, error) {
	if !p.accept("[") {
		return nil, fmt.Errorf("missing [ of a list")
	}
	var out []string
	for {
		v, ok := p.next()
		if !ok || v.is("]", ",", "[") {
			return nil, fmt.Errorf("missing value in a list")
		}
		out = append(out, v.text)
		if p.accept("]") {
			return out, nil
		}
		if !p.accept(",") {
			return nil, fmt.Errorf("missing ] of a list")
		}
	}
}
