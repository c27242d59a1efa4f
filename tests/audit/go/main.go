// Does software that tiprouter's authors did not write accept the log?
//
// Usage: verifier FOLDER [ENTRY:PROOF ...]. It uses golang.org/x/mod/sumdb alone for what a verifier decides: `note`
// opens the checkpoint with the folder's key, and `tlog` authenticates every tile against its root. This file only
// finds bytes: checkpoints are read as C2SP tlog-checkpoint, entry bundles as tlog-tiles, proof files as tlog-proof.
//
//  1. Every entry of every bundle hashes to the leaf that the authenticated tiles hold for its index.
//  2. The tree at half of the size is a prefix of the whole one.
//  3. Each ENTRY (an index) is shown to be in the log by the file PROOF that was made for it.
//
// It prints the number of entries, or exits with 1 and one line that says what is wrong.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder struct{ root string }

func (f folder) Height() int                                { return 8 }
func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

// ReadTiles reads the tiles from their C2SP places, which lack the height that Go's paths begin with.
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, 0, len(tiles))
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func (f folder) open(signed []byte) (tlog.Tree, error) {
	vkey, err := os.ReadFile(filepath.Join(f.root, "log.vkey"))
	if err != nil {
		return tlog.Tree{}, err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 3 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("no checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("no root in the checkpoint")
	}
	return tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

func (f folder) entries(size int64) ([][]byte, error) {
	all := make([][]byte, 0, size)
	for first := int64(0); first < size; first += 256 {
		tile := tlog.Tile{H: 8, L: -1, N: first / 256, W: int(min(256, size-first))}
		path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil {
			return nil, err
		}
		for len(data) >= 2 {
			length := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+length {
				return nil, fmt.Errorf("%s ends within an entry", path)
			}
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
		if len(data) > 0 || int64(len(all)) != first+int64(tile.W) {
			return nil, fmt.Errorf("%s holds another number of entries", path)
		}
	}
	return all, nil
}

func (f folder) check(arguments []string) (int64, error) {
	signed, err := os.ReadFile(filepath.Join(f.root, "checkpoint"))
	if err != nil {
		return 0, err
	}
	tree, err := f.open(signed)
	if err != nil {
		return 0, err
	}
	entries, err := f.entries(tree.N)
	if err != nil {
		return 0, err
	}
	hashes := tlog.TileHashReader(tree, f)
	if err := leaves(hashes, entries); err != nil {
		return 0, err
	}
	if err := prefix(hashes, tree, entries); err != nil {
		return 0, err
	}
	for _, argument := range arguments {
		index, path, _ := strings.Cut(argument, ":")
		if err := f.proof(index, path, entries); err != nil {
			return 0, fmt.Errorf("entry %s: %w", index, err)
		}
	}
	return tree.N, nil
}

func leaves(hashes tlog.HashReader, entries [][]byte) error {
	for first := 0; first < len(entries); first += 1024 {
		some := entries[first:min(first+1024, len(entries))]
		indexes := make([]int64, len(some))
		for place := range some {
			indexes[place] = tlog.StoredHashIndex(0, int64(first+place))
		}
		held, err := hashes.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for place, entry := range some {
			if tlog.RecordHash(entry) != held[place] {
				return fmt.Errorf("entry %d is another than its leaf", first+place)
			}
		}
	}
	return nil
}

func prefix(hashes tlog.HashReader, tree tlog.Tree, entries [][]byte) error {
	half := tree.N / 2
	if half == 0 {
		return nil
	}
	stored := make([]tlog.Hash, 0, 2*half)
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		read := make([]tlog.Hash, len(indexes))
		for place, index := range indexes {
			read[place] = stored[index]
		}
		return read, nil
	})
	for number, entry := range entries[:half] {
		more, err := tlog.StoredHashes(int64(number), entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, more...)
	}
	before, err := tlog.TreeHash(half, reader)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, half, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, half, before)
}

func (f folder) proof(index, path string, entries [][]byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, signed, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || lines[1] != "index "+index {
		return fmt.Errorf("no proof of this entry")
	}
	number, err := strconv.Atoi(index)
	if err != nil || number < 0 || number >= len(entries) {
		return fmt.Errorf("no such entry")
	}
	tree, err := f.open(signed)
	if err != nil {
		return err
	}
	var steps tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(hash) != tlog.HashSize {
			return fmt.Errorf("no hash in a line of the proof")
		}
		steps = append(steps, tlog.Hash(hash))
	}
	return tlog.CheckRecord(steps, tree.N, tree.Hash, int64(number), tlog.RecordHash(entries[number]))
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: verifier FOLDER [ENTRY:PROOF ...]")
		os.Exit(2)
	}
	size, err := folder{os.Args[1]}.check(os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size)
}
