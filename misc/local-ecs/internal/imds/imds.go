// Package imds is an instance metadata service, version 2, with what an ECS agent asks for: identity, network ids and
// credentials of the instance role. Point an agent at it with AWS_EC2_METADATA_SERVICE_ENDPOINT.
package imds

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/rolecreds"
)

// Server answers the requests of all agents with one instance's facts.
type Server struct {
	Names      ecs.Names
	Zone       string
	InstanceID string
	Source     *rolecreds.Source
	Now        func() time.Time

	mu     sync.Mutex
	tokens map[string]time.Time // expiry
	set    map[string]answer    // by path below /latest/
}

type answer struct {
	status int
	body   string
}

// The made-up surroundings of the instance.
const (
	roleName   = "local-ecs-instance-role"
	mac        = "0e:10:ca:1e:c5:01"
	vpcID      = "vpc-10ca1ec510ca1ec50"
	subnetID   = "subnet-10ca1ec510ca1ec50"
	eniID      = "eni-10ca1ec510ca1ec50"
	amiID      = "ami-10ca1ec510ca1ec50"
	privateIP  = "127.0.0.1"
	kind       = "local.laptop"
	maxTTL     = 21600 // seconds
	tokenLimit = 10000 // more are forgotten
)

// NewInstanceID makes up an EC2 instance id.
func NewInstanceID() string {
	var b [9]byte
	rand.Read(b[:])
	return "i-" + hex.EncodeToString(b[:])[:17]
}

// Set replaces the answer for a path below /latest/meta-data/ (or "user-data" and others below /latest/). Status 0 with
// a value means 200; status 0 without one removes the replacement.
func (s *Server) Set(path string, status int, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path = strings.Trim(path, "/")
	if !strings.HasPrefix(path, "user-data") && !strings.HasPrefix(path, "dynamic/") && !strings.HasPrefix(path, "meta-data/") {
		path = "meta-data/" + path
	}
	if s.set == nil {
		s.set = map[string]answer{}
	}
	switch {
	case status == 0 && value == "":
		delete(s.set, path)
	case status == 0:
		s.set[path] = answer{200, value}
	default:
		s.set[path] = answer{status, value}
	}
}

// ServeHTTP answers PUT /latest/api/token and GET below /latest/ with a token.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/latest/")
	w.Header().Set("Server", "EC2ws")
	switch {
	case !ok:
		http.Error(w, "Not Found", http.StatusNotFound)
	case path == "api/token" && r.Method == http.MethodPut:
		s.token(w, r)
	case r.Method != http.MethodGet:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
	case !s.valid(r.Header.Get("X-aws-ec2-metadata-token")):
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	default:
		s.get(w, strings.Trim(path, "/"))
	}
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	ttl, err := strconv.Atoi(r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds"))
	if err != nil || ttl < 1 || ttl > maxTTL || r.Header.Get("X-Forwarded-For") != "" {
		http.Error(w, "Bad Request", http.StatusBadRequest)
		return
	}
	var b [32]byte
	rand.Read(b[:])
	token := base64.URLEncoding.EncodeToString(b[:])
	now := s.Now()
	s.mu.Lock()
	if s.tokens == nil {
		s.tokens = map[string]time.Time{}
	}
	for t, expires := range s.tokens {
		if now.After(expires) || len(s.tokens) >= tokenLimit {
			delete(s.tokens, t)
		}
	}
	s.tokens[token] = now.Add(time.Duration(ttl) * time.Second)
	s.mu.Unlock()
	w.Header().Set("X-aws-ec2-metadata-token-ttl-seconds", strconv.Itoa(ttl))
	w.Header().Set("Content-Type", "text/plain")
	w.Write([]byte(token))
}

func (s *Server) valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	expires, ok := s.tokens[token]
	return ok && s.Now().Before(expires)
}

func (s *Server) get(w http.ResponseWriter, path string) {
	w.Header().Set("Content-Type", "text/plain")
	s.mu.Lock()
	a, replaced := s.set[path]
	s.mu.Unlock()
	if replaced {
		w.WriteHeader(a.status)
		w.Write([]byte(a.body))
		return
	}
	leaves := s.leaves()
	if leaf, ok := leaves[path]; ok {
		w.Write([]byte(leaf()))
		return
	}
	if listing := children(leaves, path); listing != "" {
		w.Write([]byte(listing))
		return
	}
	http.Error(w, "Not Found", http.StatusNotFound)
}

// children lists what is directly below a path, directories with a slash.
func children(leaves map[string]func() string, path string) string {
	var names []string
	for p := range leaves {
		rest, ok := strings.CutPrefix(p, path+"/")
		if !ok {
			continue
		}
		name, _, dir := strings.Cut(rest, "/")
		if dir {
			name += "/"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "\n")
}

func (s *Server) leaves() map[string]func() string {
	fixed := func(v string) func() string { return func() string { return v } }
	net := "meta-data/network/interfaces/macs/" + mac + "/"
	return map[string]func() string{
		"meta-data/instance-id":                          fixed(s.InstanceID),
		"meta-data/instance-type":                        fixed(kind),
		"meta-data/ami-id":                               fixed(amiID),
		"meta-data/mac":                                  fixed(mac),
		"meta-data/local-ipv4":                           fixed(privateIP),
		"meta-data/local-hostname":                       fixed("localhost"),
		"meta-data/placement/availability-zone":          fixed(s.Zone),
		"meta-data/placement/availability-zone-id":       fixed("loc1-az1"),
		"meta-data/placement/region":                     fixed(s.Names.Region),
		"meta-data/services/domain":                      fixed("amazonaws.com"),
		"meta-data/services/partition":                   fixed(s.Names.Partition),
		net + "device-number":                            fixed("0"),
		net + "interface-id":                             fixed(eniID),
		net + "local-ipv4s":                              fixed(privateIP),
		net + "subnet-id":                                fixed(subnetID),
		net + "vpc-id":                                   fixed(vpcID),
		"meta-data/iam/info":                             s.iamInfo,
		"meta-data/iam/security-credentials/" + roleName: s.credentials,
		"dynamic/instance-identity/document":             s.document,
		"dynamic/instance-identity/signature":            fixed(base64.StdEncoding.EncodeToString([]byte("local-ecs: not a signature"))),
	}
}

func (s *Server) document() string {
	arch := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	b, _ := json.MarshalIndent(map[string]any{
		"accountId": s.Names.Account, "architecture": arch, "availabilityZone": s.Zone, "imageId": amiID,
		"instanceId": s.InstanceID, "instanceType": kind, "privateIp": privateIP, "region": s.Names.Region, "version": "2017-09-30",
	}, "", "  ")
	return string(b)
}

func (s *Server) iamInfo() string {
	return fmt.Sprintf(`{"Code":"Success","LastUpdated":%q,"InstanceProfileArn":"arn:%s:iam::%s:instance-profile/%s","InstanceProfileId":"AIPALOCALECS"}`,
		s.Now().UTC().Format(time.RFC3339), s.Names.Partition, s.Names.Account, roleName)
}

func (s *Server) credentials() string {
	now := s.Now()
	set := s.Source.Make(s.InstanceID, now)
	b, _ := json.Marshal(map[string]string{
		"Code": "Success", "LastUpdated": now.UTC().Format(time.RFC3339), "Type": "AWS-HMAC",
		"AccessKeyId": set.AccessKeyID, "SecretAccessKey": set.SecretAccessKey, "Token": set.SessionToken,
		"Expiration": set.Expiration.Format(time.RFC3339),
	})
	return string(b)
}
