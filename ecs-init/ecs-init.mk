# Targets of ecs-init and the packages; the Makefile includes this file.

PACKAGE_ARCHS ?= amd64 arm64
# Own variables of package.sh: RELEASE, DIST, MAINTAINER, VENDOR, SIGN_KEY.
INIT_STAMP   := github.com/aws/amazon-ecs-agent/ecs-init/release
INIT_LDFLAGS := -s -w -X $(INIT_STAMP).Version=$(VERSION) -X $(INIT_STAMP).Revision=$(REVISION) -X $(INIT_STAMP).Dirty=$(DIRTY)
PACKAGE       = VERSION='$(VERSION)' REVISION='$(REVISION)' DIRTY='$(DIRTY)' AGENT_LDFLAGS='$(LDFLAGS)' CNI_PLUGINS='$(CNI_PLUGINS)' CNI_LDFLAGS='$(CNI_LDFLAGS)' scripts/packaging/package.sh

## packages

.PHONY: ecs-init volume-plugin packages installer agent-tar deb rpm test-packages
ecs-init: go ## out/amazon-ecs-init, which runs the agent as a system service
	$(GOBUILD) -ldflags '$(INIT_LDFLAGS)' -o out/amazon-ecs-init ./ecs-init

volume-plugin: go ## out/amazon-ecs-volume-plugin, the Docker volume driver for EFS and S3 Files
	$(GOBUILD) -ldflags '$(INIT_LDFLAGS)' -o out/amazon-ecs-volume-plugin ./ecs-init/volume-plugin

packages: agent-tar deb rpm installer ## everything that is released

installer: ## out/ecs-anywhere-install-<version>-1.sh, for external instances
	install -D -m 0755 scripts/ecs-anywhere-install.sh out/ecs-anywhere-install-$(VERSION)-$(or $(RELEASE),1).sh
	$(if $(SIGN_KEY),gpg --batch --yes --local-user '$(SIGN_KEY)' --armor --detach-sign out/ecs-anywhere-install-$(VERSION)-$(or $(RELEASE),1).sh)

agent-tar: go ## out/ecs-agent-v<version>.tar for each architecture, with checksums; no Docker needed
	set -e; for arch in $(PACKAGE_ARCHS); do $(PACKAGE) image $$arch; done

deb: go ## out/amazon-ecs-init-<version>-1.<arch>.deb (PACKAGE_ARCHS="amd64 arm64")
	set -e; for arch in $(PACKAGE_ARCHS); do $(PACKAGE) deb $$arch; done

rpm: go ## out/amazon-ecs-init-<version>-1.<arch>.rpm and, for Amazon Linux, out/ecs-init-<version>-1.amzn2023.<arch>.rpm
	set -e; for arch in $(PACKAGE_ARCHS); do $(PACKAGE) rpm $$arch; $(PACKAGE) amazon-linux $$arch; done

# Slow: it makes a whole Debian first. PACKAGE_TEST_BASE=<directory> keeps that for the next time.
test-packages: deb rpm local-ecs ## the packages on a fresh Debian with systemd and Docker: install, run, upgrade, remove (root)
	RELEASE=2 $(PACKAGE) deb $(shell go env GOHOSTARCH)
	scripts/packaging/test.sh $(PACKAGE_TEST_BASE)
