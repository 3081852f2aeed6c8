package volume

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestFileSystems(t *testing.T) {
	const nfs = ",nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"
	for _, c := range []struct {
		name   string
		kind   string
		config string
		region string
		plugin bool
		role   string
		pause  int
		driver string
		want   map[string]string
	}{
		{"EFS over NFS", "efs", `{"fileSystemId":"fs-1","rootDirectory":"/home"}`, "us-west-2", false, "", 0,
			"local", map[string]string{"type": "nfs", "device": ":/home", "o": "addr=fs-1.efs.us-west-2.amazonaws.com" + nfs}},
		{"the names of another partition", "efs", `{"fileSystemId":"fs-1","rootDirectory":"/"}`, "cn-north-1", false, "", 0,
			"local", map[string]string{"type": "nfs", "device": ":/", "o": "addr=fs-1.efs.cn-north-1.amazonaws.com.cn" + nfs}},
		{"an isolated region", "efs", `{"fileSystemId":"fs-1","rootDirectory":"/"}`, "us-iso-east-1", false, "", 0,
			"local", map[string]string{"type": "nfs", "device": ":/", "o": "addr=fs-1.efs.us-iso-east-1.c2s.ic.gov" + nfs}},
		{"what NFS cannot do is left out, and so is the task's network", "efs",
			`{"fileSystemId":"fs-1","rootDirectory":"/","transitEncryption":"ENABLED","authorizationConfig":{"accessPointId":"fsap-1","iam":"ENABLED"}}`, "nowhere-1", false, "role", 42,
			"local", map[string]string{"type": "nfs", "device": ":/", "o": "addr=fs-1.efs.nowhere-1.amazonaws.com" + nfs}},
		{"EFS with the plugin", "efs", `{"fileSystemId":"fs-1"}`, "us-west-2", true, "role", 0,
			task.DriverECS, map[string]string{"type": "efs", "device": "fs-1", "o": ""}},
		{"all that EFS has", "efs", `{"fileSystemId":"fs-1","rootDirectory":"/","transitEncryption":"ENABLED","transitEncryptionPort":20050,"authorizationConfig":{"accessPointId":"fsap-1","iam":"ENABLED"}}`,
			"us-west-2", true, "role", 0,
			task.DriverECS, map[string]string{"type": "efs", "device": "fs-1:/", "o": "tls,tlsport=20050,iam,awscredsuri=/v2/credentials/role,accesspoint=fsap-1"}},
		{"no role to mount with", "efs", `{"fileSystemId":"fs-1","authorizationConfig":{"iam":"ENABLED"}}`, "us-west-2", true, "", 0,
			task.DriverECS, map[string]string{"type": "efs", "device": "fs-1", "o": "iam,awscredsuri"}},
		{"only the exact word turns something on", "efs", `{"fileSystemId":"fs-1","transitEncryption":"enabled","authorizationConfig":{"iam":"DISABLED"}}`, "us-west-2", true, "role", 0,
			task.DriverECS, map[string]string{"type": "efs", "device": "fs-1", "o": ""}},
		{"over the task's network", "efs", `{"fileSystemId":"fs-1","rootDirectory":"/","transitEncryption":"ENABLED"}`, "us-west-2", true, "role", 123,
			task.DriverECS, map[string]string{"type": "efs", "device": "fs-1:/", "o": "tls,netns=/proc/123/ns/net"}},
		{"over the task's network, no other option", "efs", `{"fileSystemId":"fs-1"}`, "us-west-2", true, "role", 123,
			task.DriverECS, map[string]string{"type": "efs", "device": "fs-1", "o": "netns=/proc/123/ns/net"}},
		{"S3 Files always have the plugin", "s3files", `{"fileSystemId":"fs-2","rootDirectory":"/data","transitEncryption":"ENABLED","transitEncryptionPort":20049,"authorizationConfig":{"accessPointId":"fsap-9","iam":"ENABLED"}}`,
			"us-west-2", false, "role", 77,
			task.DriverECS, map[string]string{"type": "s3files", "device": "fs-2:/data", "o": "tls,tlsport=20049,iam,awscredsuri=/v2/credentials/role,accesspoint=fsap-9,netns=/proc/77/ns/net"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &fakeDocker{}
			k := craft(d)
			k.FileSystems = FileSystems{Region: c.region, Plugin: c.plugin, CredentialsPath: func(id string) string { return "/v2/credentials/" + id }}
			given := []task.Volume{{Name: "v", Type: c.kind, Config: json.RawMessage(c.config)}}
			owner := &task.Task{ARN: "arn:task", CredentialsID: c.role, Volumes: given}
			resources, err := k.Plan(owner)
			if err != nil || len(resources) != 1 || !resources[0].NeedsNetwork() {
				t.Fatalf("%v, %v; all file systems need the network", resources, err)
			}
			if given[0].Docker != nil {
				t.Error("Plan changed the volumes it was given")
			}
			if c.pause != 0 {
				owner.Containers = append(owner.Containers, &task.Container{Type: task.CNIPause, PID: c.pause})
			}
			for range 2 {
				if err := k.Create(t.Context(), owner, &resources[0]); err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]docker.Volume{"docker-v": {Name: "docker-v", Driver: c.driver, Options: c.want}}
			if diff := cmp.Diff(want, d.volumes); diff != "" {
				t.Error(diff)
			}
			if err := k.Remove(t.Context(), owner, &resources[0]); err != nil || len(d.volumes) != 0 {
				t.Errorf("%v is left, %v", d.volumes, err)
			}
		})
	}
}

func TestAFileSystemKeepsItsTypeAndItsVolume(t *testing.T) {
	owner := &task.Task{ARN: "arn:task", Volumes: []task.Volume{{Name: "v", Type: task.VolumeEFS, Config: json.RawMessage(`{"fileSystemId":"fs-1"}`)}}}
	if _, err := craft(nil).Plan(owner); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(owner.Volumes)
	if err != nil {
		t.Fatal(err)
	}
	var saved []map[string]any
	var restored []task.Volume
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &restored); err != nil {
		t.Fatal(err)
	}
	config, _ := saved[0]["efsVolumeConfiguration"].(map[string]any)
	if saved[0]["type"] != "efs" || config["dockerVolumeName"] != "docker-v" || config["driver"] != "local" {
		t.Errorf("saved %s", text)
	}
	if diff := cmp.Diff(owner.Volumes, restored); diff != "" {
		t.Error(diff)
	}
	if got := restored[0].Source(); got != "docker-v" {
		t.Errorf("containers mount %q", got)
	}
}

func TestBrokenConfigurationOfAFileSystem(t *testing.T) {
	owner := &task.Task{Volumes: []task.Volume{{Name: "v", Type: task.VolumeEFS, Config: json.RawMessage(`[]`)}}}
	if _, err := craft(nil).Plan(owner); err == nil || err.Error() != "task volume: volume configuration does not match the type 'efs'" {
		t.Error(err)
	}
}

func TestVolumesThatNeedTheNetwork(t *testing.T) {
	for text, want := range map[string]bool{
		`{"dockerVolumeConfiguration":{"driver":"amazon-ecs-volume-plugin","driverOpts":{"type":"efs"}}}`:     true, // another agent's
		`{"dockerVolumeConfiguration":{"driver":"amazon-ecs-volume-plugin","driverOpts":{"type":"s3files"}}}`: true,
		`{"volumeType":"efs","dockerVolumeConfiguration":{"driver":"local","driverOpts":{"type":"nfs"}}}`:     true,
		`{"dockerVolumeConfiguration":{"driver":"local","driverOpts":{"type":"efs"}}}`:                        false,
		`{"dockerVolumeConfiguration":{"driver":"local"}}`:                                                    false,
		`[]`: false,
	} {
		r := task.Resource{Kind: task.ResourceDockerVolume, Spec: json.RawMessage(text)}
		if got := r.NeedsNetwork(); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
