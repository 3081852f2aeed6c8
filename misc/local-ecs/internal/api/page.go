package api

import (
	"encoding/base64"
	"sort"
	"strings"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
)

// paging is the part of a List request that asks for a page.
type paging struct {
	NextToken  string `json:"nextToken"`
	MaxResults *int   `json:"maxResults"`
}

const pageSize = 100

// page cuts one page out of keys, which are in order, and returns the token for the next one ("" at the end). The
// token is the last key given, so that what comes and goes between pages neither repeats nor hides others.
func (p paging) page(keys []string) (out []string, next string, err error) {
	size := pageSize
	if p.MaxResults != nil {
		if *p.MaxResults < 1 || *p.MaxResults > pageSize {
			return nil, "", ecs.InvalidParameter("Invalid 'maxResults': %d is not between 1 and %d.", *p.MaxResults, pageSize)
		}
		size = *p.MaxResults
	}
	if p.NextToken != "" {
		b, err := base64.RawURLEncoding.DecodeString(p.NextToken)
		last, ok := strings.CutPrefix(string(b), "after:")
		if err != nil || !ok {
			return nil, "", ecs.InvalidParameter("Invalid 'nextToken'.")
		}
		keys = keys[sort.Search(len(keys), func(i int) bool { return keys[i] > last }):]
	}
	if len(keys) <= size {
		return keys, "", nil
	}
	return keys[:size], base64.RawURLEncoding.EncodeToString([]byte("after:" + keys[size-1])), nil
}

// list answers a List operation with a page of the ARNs of what keys name.
func (p paging) list(name string, keys []string, arn func(key string) string) (any, error) {
	keys, next, err := p.page(keys)
	var arns []string
	for _, k := range keys {
		arns = append(arns, arn(k))
	}
	return list(name, arns, next), err
}

// list is the answer of a List operation; the token is left out at the end.
func list(name string, items []string, next string) map[string]any {
	out := map[string]any{name: nonNil(items)}
	if next != "" {
		out["nextToken"] = next
	}
	return out
}

// reversed is page for the descending order of keys, which come ascending.
func (p paging) reversed(keys []string) (out []string, next string, err error) {
	// A descending page is an ascending page of the complemented keys.
	flip := make([]string, len(keys))
	back := make(map[string]string, len(keys))
	for i, k := range keys {
		f := complement(k)
		flip[len(keys)-1-i] = f
		back[f] = k
	}
	sort.Strings(flip)
	flip, next, err = p.page(flip)
	for _, f := range flip {
		out = append(out, back[f])
	}
	return out, next, err
}

// complement maps texts so that their order turns around.
func complement(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = ^b[i]
	}
	return string(b) + "\xff"
}

// include tells whether a Describe request asks for something optional.
func include(list []string, what string) bool {
	for _, s := range list {
		if s == what {
			return true
		}
	}
	return false
}
