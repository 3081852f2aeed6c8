//go:build integration

package container

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

func get(t *testing.T, port uint16) {
	t.Helper()
	url := "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))) + "/hello"
	eventually(t, "answer from "+url, func() bool {
		answer, err := http.Get(url)
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		return string(body) == "hi\n"
	})
}

// server is a shell script that serves /hello on ports of the container.
func server(ports ...int) string {
	var b strings.Builder
	b.WriteString("echo hi > /tmp/hello; ")
	for _, port := range ports {
		fmt.Fprintf(&b, "httpd -p %d -h /tmp; ", port)
	}
	return b.String() + "exec sleep 1000"
}

func TestPortsLeadToTheContainer(t *testing.T) {
	free, err := strconv.ParseUint(freePort(t), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	h := run(t, script(server(80, 81, 7000, 7001, 7002), fmt.Sprintf(`,"portMappings":[
		{"ContainerPort":80,"HostPort":%d},{"ContainerPort":81},{"ContainerPortRange":"7000-7002"}]`, free)))
	bindings, err := h.task.Containers[0].ReportedBindings(true, false)
	if err != nil || len(bindings) != 3 {
		t.Fatalf("bindings %+v, %v", bindings, err)
	}
	for _, b := range bindings {
		switch {
		case b.ContainerPort == 80 && uint64(b.HostPort) == free:
			get(t, b.HostPort)
		case b.ContainerPort == 81 && b.HostPort >= 42100 && b.HostPort <= 42199:
			get(t, b.HostPort)
		case b.ContainerPortRange == "7000-7002":
			ports, err := task.ParsePortRange(b.HostPortRange)
			if err != nil || ports.Len() != 3 {
				t.Fatalf("host range %q: %v", b.HostPortRange, err)
			}
			for i := range uint16(3) {
				get(t, ports.First+i)
			}
		default:
			t.Errorf("unexpected binding %+v", b)
		}
	}
}

func TestPortsOfRunningContainersAreNotGivenOutAgain(t *testing.T) {
	first := run(t, script("exec sleep 1000", `,"portMappings":[{"ContainerPort":80},{"ContainerPort":53,"Protocol":"udp"}]`))
	second := run(t, script("exec sleep 1000", `,"portMappings":[{"ContainerPort":80},{"ContainerPort":53,"Protocol":"udp"}]`))
	for _, a := range first.task.Containers[0].Bindings {
		for _, b := range second.task.Containers[0].Bindings {
			if a.HostPort == b.HostPort && a.Protocol == b.Protocol {
				t.Errorf("port %d/%s has two containers", a.HostPort, a.Protocol)
			}
		}
	}
}

func TestAHostPortInUseFailsTheStart(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := prepare(t, script("exec sleep 1000", fmt.Sprintf(`,"portMappings":[{"ContainerPort":80,"HostPort":%d}]`, l.Addr().(*net.TCPAddr).Port)))
	h.create(0)
	_, err = h.runner.Start(t.Context(), h.task, h.task.Containers[0])
	if err == nil || !strings.HasPrefix(err.Error(), "CannotStartContainerError: Error response from daemon: ") {
		t.Errorf("Start: %v", err)
	}
}

func TestALinkIsAName(t *testing.T) {
	h := run(t, `{"Containers":[
		{"Name":"db","Command":["sh","-c","`+server(80)+`"]},
		{"Name":"app","Links":["db:database"],"Command":["sh","-c","until wget -q -O /out/got http://database/hello; do sleep 0.1; done"]}]}`)
	h.ended(1, 0)
	if got := h.wrote("got"); got[0] != "hi" {
		t.Errorf("got %q through the link", got)
	}
}

func TestNetworkModes(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mode       string
		host       bool
		interfaces int // 0: not checked
	}{{"host", true, 0}, {"none", false, 1}, {"bridge", false, 2}, {"", false, 2}} {
		t.Run("mode "+tt.mode, func(t *testing.T) {
			h := run(t, script("readlink /proc/self/ns/net > /out/ns; ls /sys/class/net > /out/interfaces", `,"portMappings":[{"ContainerPort":80}],
				"dockerConfig":{"hostConfig":"{\"NetworkMode\":\"`+tt.mode+`\"}"}`))
			h.ended(0, 0)
			if got := h.wrote("ns")[0] == own; got != tt.host {
				t.Errorf("in the host's network: %v, want %v", got, tt.host)
			}
			if got := h.wrote("interfaces"); tt.interfaces != 0 && len(got) != tt.interfaces {
				t.Errorf("interfaces %v, want %d", got, tt.interfaces)
			}
			if got := h.task.Containers[0].NetworkBindings(); (tt.host || tt.mode == "none") && len(got) != 0 {
				t.Errorf("network bindings %v without a network of its own", got)
			}
		})
	}
}
