package metadata

import (
	"net/http"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/httpd"
)

// associations lists the names of the task's associations of a type that are meant for the container that asks.
func (h *handler) associations(v version) httpd.Handler {
	return func(w http.ResponseWriter, _ *http.Request, vars httpd.Vars) {
		t, c, known := h.caller(vars[0])
		if !known {
			// The spelling "id" is this endpoint's own.
			httpd.JSON(w, http.StatusBadRequest, associationsRequest,
				v.name+" container associations handler: unable to get container id from request: unable to get docker ID from v3 endpoint ID: "+vars[0])
			return
		}
		var body struct{ Associations []string }
		for _, a := range t.Associations {
			if a.Type == vars[1] && slices.Contains(a.Containers, c.Name) {
				body.Associations = append(body.Associations, a.Name)
			}
		}
		httpd.JSON(w, http.StatusOK, associationsRequest, body)
	}
}

// association gives the content of one, byte for byte.
func (h *handler) association(v version) httpd.Handler {
	return func(w http.ResponseWriter, _ *http.Request, vars httpd.Vars) {
		t, _, known := h.caller(vars[0])
		kind, name := vars[1], vars[2]
		switch {
		case !known:
			httpd.JSON(w, http.StatusBadRequest, associationRequest, v.name+" container associations handler: "+noTask+vars[0])
			return
		case name == "":
			httpd.JSON(w, http.StatusBadRequest, associationRequest, v.name+" container associations handler: unable to get association name from request")
			return
		}
		for _, a := range t.Associations {
			if a.Type == kind && a.Name == name {
				httpd.RawJSON(w, http.StatusOK, associationRequest, []byte(a.Content.Value))
				return
			}
		}
		httpd.JSON(w, http.StatusBadRequest, associationRequest,
			"Unable to write container association response: unable to get association from association type "+kind+" and association name "+name)
	}
}
