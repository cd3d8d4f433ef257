# Builds a static binary and puts nothing but it into the image:
#
#	docker build -t whoelse .
#	docker run -d --name whoelse -p 2222:2222 -v whoelse-data:/data whoelse

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=${VERSION}" -o /out/whoelse . \
 && mkdir -p /out/root && mkdir -m 0700 /out/root/data

FROM scratch
COPY --from=build /out/whoelse /whoelse
# A new volume takes the owner and mode of the folder that it is mounted on. What is in a
# folder is copied with its mode, a folder itself is not: so this copies its parent.
COPY --from=build --chown=65532:65532 /out/root/ /
ENV WHOELSE_DATA=/data
USER 65532:65532
VOLUME /data
EXPOSE 2222
# The end of the container is SIGTERM: everyone is told, histories are synced.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/whoelse"]
