package config

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// FuzzFile: a file either is refused or gives values of the fields' types, and what it gives can be merged.
func FuzzFile(f *testing.F) {
	f.Add(`{"Cluster":"c","ReservedPorts":[1],"TaskCPUMemLimit":1,"EngineAuthData":{"a":"b"},"AWSVPCAdditionalLocalRoutes":["1.2.3.4/5"]}`)
	f.Add(`{"ClusterArn":"c"} `)
	f.Add("{\"ImagePullBehavior\":3,\"ImagePullTimeout\":-1}")
	f.Fuzz(func(t *testing.T, text string) {
		h := newHost()
		h.files[defaultConfigFile] = text
		src := h.sources()
		src.Log = func(logger.Level, string) {}
		cfg, err := Load(t.Context(), src)
		if err == nil && cfg.AWSRegion == "" {
			t.Error("loaded without a region")
		}
		if err == nil && len(text) > 0 && !json.Valid([]byte(text)) && trimmedSpace(text) != "" {
			t.Errorf("took invalid JSON %q", text)
		}
		h.userData = `{"ECSAgentConfiguration":` + text + `}`
		delete(h.files, defaultConfigFile)
		if fromUserData, err2 := Load(t.Context(), src); err == nil && err2 == nil && json.Valid([]byte(text)) &&
			!strings.Contains(strings.ToLower(text), "cluster") && !reflect.DeepEqual(cfg, fromUserData) {
			t.Errorf("the same text means %+v as a file and %+v as user data", cfg, fromUserData)
		}
	})
}

func trimmedSpace(s string) string {
	v, _ := trimmed(verbatim)(s)
	return v
}

// FuzzVariable: whatever a variable holds, the result has the field's type and is in range.
func FuzzVariable(f *testing.F) {
	rows := all(settings(linux()))
	for i := range rows {
		for _, text := range []string{"true", "-1", "10m", "[1,2]", `["a"]`, `{"a":"b"}`, "1-2", "1.2.3.4/5", "10,20", "always", "\r"} {
			f.Add(i, text)
		}
	}
	f.Fuzz(func(t *testing.T, i int, text string) {
		if i < 0 || i >= len(rows) || rows[i].env == "" {
			return
		}
		h := newHost()
		h.env[rows[i].env] = text
		src := h.sources()
		src.Log = func(logger.Level, string) {}
		cfg, err := Load(t.Context(), src)
		if err != nil {
			return
		}
		for _, s := range rows {
			if s.kind.decode == nil {
				continue
			}
			if n, ok := number(cfg, s.fieldName()); ok && n < s.min {
				t.Errorf("%s=%q: %s is %d, below %d", rows[i].env, text, s.fieldName(), n, s.min)
			}
		}
		if first, last, err := cfg.PortRange(); err != nil || first > last {
			t.Errorf("port range %s", cfg.DynamicHostPortRange)
		}
		if reflect.ValueOf(cfg.TaskMetadataBurstRate).Int() < 1 {
			t.Errorf("burst %d", cfg.TaskMetadataBurstRate)
		}
	})
}
