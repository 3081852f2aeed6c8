package awsdata

import (
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// s3Prefix is for callers that cannot sign. Signed requests for Amazon S3 are also known by their signature, so that one
// AWS_ENDPOINT_URL serves for all services.
const s3Prefix = "/s3/"

func forS3(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return strings.Contains(r.Header.Get("Authorization"), "/s3/aws4_request") || strings.HasPrefix(r.URL.Path, s3Prefix)
}

// address takes the path apart: the bucket is its first element, whatever dots the key has.
func address(r *http.Request) (bucket, key string) {
	path := "/" + strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, strings.TrimSuffix(s3Prefix, "/")), "/")
	bucket, key, _ = strings.Cut(path[1:], "/")
	return bucket, key
}

func s3Operation(r *http.Request) string {
	_, key := address(r)
	operation := "Get"
	if r.Method == http.MethodHead {
		operation = "Head"
	}
	if key == "" {
		return operation + "Bucket"
	}
	return operation + "Object"
}

// serveS3 answers HEAD of buckets, and GET and HEAD of objects.
func (h *Handler) serveS3(w http.ResponseWriter, r *http.Request) {
	bucket, key := address(r)
	dir, err := os.OpenRoot(filepath.Join(h.Dir, "s3"))
	if errors.Is(err, fs.ErrNotExist) {
		s3Error(w, r, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	if err != nil {
		s3Error(w, r, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	defer dir.Close()
	if info, err := dir.Stat(bucket); bucket == "" || err != nil || !info.IsDir() {
		s3Error(w, r, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
		return
	}
	w.Header().Set("X-Amz-Bucket-Region", h.Names.Region)
	if key == "" {
		if r.Method != http.MethodHead {
			s3Error(w, r, http.StatusNotImplemented, "NotImplemented", "local-ecs does not list buckets.")
		}
		return
	}
	file, err := dir.Open(bucket + "/" + key) // a key that leads out of the directory names no object
	if err != nil {
		s3Error(w, r, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.IsDir() {
		s3Error(w, r, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	w.Header().Set("Content-Type", "binary/octet-stream")
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, file) // the caller is gone
	}
}

func s3Error(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_ = xml.NewEncoder(w).Encode(struct { // the caller is gone
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
	}{Code: code, Message: message, RequestID: w.Header().Get("X-Amz-Request-Id")})
}
