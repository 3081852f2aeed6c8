package httpd

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Vars are the variable parts of a path, in the order of the pattern.
type Vars [maxVars]string

const maxVars = 3

// Handler answers a request for a route.
type Handler func(w http.ResponseWriter, r *http.Request, vars Vars)

// Router finds the handler for a percent-decoded path. The first route that fits wins. Without one the answer is 404; if
// only the method does not fit, 405.
//
// A pattern is a path in which {x} stands for one part without slashes, which may be empty, {+x} for the whole rest, and
// {*x} for the rest, which may be empty.
type Router struct{ routes []route }

type route struct {
	pattern string
	parts   []part
	methods []string // empty: any
	handler Handler
}

type part struct {
	kind partKind
	text string
}

type partKind int

const (
	literal partKind = iota
	single
	rest
	restOrNothing
)

// Handle adds a route, for any method if none is given.
func (rt *Router) Handle(pattern string, handler Handler, methods ...string) {
	r := route{pattern: pattern, handler: handler, methods: methods}
	vars := 0
	for text := range strings.SplitSeq(strings.TrimPrefix(pattern, "/"), "/") {
		p := part{text: text}
		if strings.HasPrefix(text, "{") {
			vars++
			switch text[1] {
			case '+':
				p.kind = rest
			case '*':
				p.kind = restOrNothing
			default:
				p.kind = single
			}
		}
		r.parts = append(r.parts, p)
	}
	if vars > maxVars {
		panic("too many variables in route " + pattern)
	}
	rt.routes = append(rt.routes, r)
}

func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wrongMethod := false
	for i := range rt.routes {
		var vars Vars
		candidate := &rt.routes[i]
		if !candidate.match(r.URL.Path, &vars) {
			continue
		}
		if len(candidate.methods) > 0 && !slices.Contains(candidate.methods, r.Method) {
			wrongMethod = true
			continue
		}
		candidate.handler(w, r, vars)
		return
	}
	if wrongMethod {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	http.NotFound(w, r)
}

// Pattern is the pattern of the first route that fits a path; empty when none does.
func (rt *Router) Pattern(path string) string {
	for i := range rt.routes {
		var vars Vars
		if rt.routes[i].match(path, &vars) {
			return rt.routes[i].pattern
		}
	}
	return ""
}

func (r *route) match(path string, vars *Vars) bool {
	n := 0
	for i := range r.parts {
		if path == "" || path[0] != '/' {
			return false
		}
		path = path[1:]
		p := &r.parts[i]
		if p.kind == rest && path != "" || p.kind == restOrNothing {
			vars[n] = path
			return true
		}
		end := strings.IndexByte(path, '/')
		if end < 0 {
			end = len(path)
		}
		switch {
		case p.kind == single:
			vars[n] = path[:end]
			n++
		case p.kind != literal || p.text != path[:end]:
			return false
		}
		path = path[end:]
	}
	return path == ""
}

// CleanPath sends clients whose path has double slashes or dots to the clean path (301); a slash at the end stays.
func CleanPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clean := cleanPath(r.URL.Path)
		if clean == r.URL.Path {
			next.ServeHTTP(w, r)
			return
		}
		to := url.URL{Path: clean, RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", to.String())
		w.WriteHeader(http.StatusMovedPermanently)
	})
}

// cleanPath does not allocate for a path that is clean.
func cleanPath(p string) string {
	if p == "" || p[0] != '/' {
		p = "/" + p
	}
	clean := path.Clean(p)
	if p[len(p)-1] != '/' || clean == "/" {
		return clean
	}
	if len(p) == len(clean)+1 {
		return p
	}
	return clean + "/"
}

// AccessLog writes a line per request for developers.
func AccessLog(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if logger.Enabled(logger.LevelDebug) {
			logger.Debug("Handling http request", logger.F("method", r.Method), logger.F("from", r.RemoteAddr))
		}
		next.ServeHTTP(w, r)
	})
}
