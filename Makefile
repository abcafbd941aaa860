# Builds everything into build/. `make help` lists the targets.
#
# Variables: CC=gcc|clang   SAN=1 (address and undefined sanitizers, into build/san)
#            WERROR= (warnings do not fail)   TESTS=tests/test_npy.py (what `make test` runs)

SAN ?=
WERROR ?= -Werror
TESTS ?= tests
FUZZ_SECONDS ?= 60

GEN := build/gen
VENV := build/venv
JOBS := $(shell nproc 2>/dev/null || echo 2)

ifeq ($(origin CC),default)
CC := $(shell for c in gcc clang cc; do command -v $$c >/dev/null && echo $$c && break; done)
ifeq ($(CC),)
CC := gcc
endif
endif

SETUP := CC='$(CC)' sh tests/setup/deps.sh

# Where the objects go, and what the kind of build adds.
ifeq ($(SAN),)
B := build
OPTIMIZE := -O2
else ifeq ($(SAN),fuzz)
B := build/fuzz
OPTIMIZE := -O1 -fno-omit-frame-pointer
SANITIZE := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
else
B := build/san
OPTIMIZE := -O1 -fno-omit-frame-pointer
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
endif

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(WERROR)
# Position independent and hidden: generated libraries carry the runtime, and show only TILE_API.
BASE := -std=c11 -g -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -I. -I$(GEN) \
        -ffp-contract=off -fPIC -fvisibility=hidden -pthread $(OPTIMIZE) $(SANITIZE)
# Lemon's parser is not ours to make clean.
GEN_WARN := -Wall -Wno-unused $(WERROR)
LIBS := -lm -lpthread -ldl

SOURCES := $(sort $(wildcard dsl/*.c compiler/*.c compiler/interp/*.c runtime/*.c \
                             runtime/machine/*.c runtime/numerics/*.c))
# What emitted CUDA may include: it goes into the binary as text.
DEVICE_HEADERS := $(patsubst %,runtime/numerics/%.h,bits math convert) \
                  $(sort $(wildcard runtime/device/*.h))
# What it includes more where it is compiled for the machine model.
MACHINE_HEADERS := $(patsubst %,runtime/machine/%.h,device device_async device_wgmma \
                                                   device_tcgen05 ops)
# What emitted C may include, likewise.
HOST_HEADERS := $(patsubst %,runtime/%.h,tile stub plan tvm_ffi)
GENERATED := $(patsubst dsl/%.re,$(GEN)/%.c,$(wildcard dsl/lex.re)) \
             $(patsubst dsl/%.y,$(GEN)/%.c,$(wildcard dsl/grammar.y)) \
             $(patsubst %,$(GEN)/%_text.c,device machine host)
OBJECTS := $(patsubst %.c,$(B)/obj/%.o,$(SOURCES)) \
           $(patsubst $(GEN)/%.c,$(B)/obj/gen/%.o,$(GENERATED))
# The library is everything but the command line; test programs link against it.
LIBRARY := $(B)/libtilec.a
# What generated libraries stand on: of the tree only runtime/.
RUNTIME := $(B)/libtile_runtime.a
FAKE_CUDA := $(B)/tests/libfake_cuda.so
# The compiler and the runtime as a shared library, for tests/gpu/bench.py.
BENCH := $(B)/tests/libbench.so
UNITS := $(FAKE_CUDA) $(BENCH) \
         $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/*.c)) \
         $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz_%,$(wildcard tests/fuzz/*.c))
HARNESSES := $(patsubst tests/fuzz/%.c,$(B)/harness/%,$(wildcard tests/fuzz/*.c))
# What the harnesses share: the generator of programs.
GENERATOR := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/generate/*.c))
OWN_C = $(shell find dsl compiler runtime tests examples -name '*.[ch]' 2>/dev/null)

.PHONY: all demo test check deps debug units fuzz harnesses bench-interp machine-test gpu-test gpu-sanitize bench format check-format \
        clean help FORCE
.DELETE_ON_ERROR:
.SUFFIXES:

all: $(B)/tilec $(RUNTIME)

help:
	@echo 'make               build $(B)/tilec'
	@echo 'make demo          install what is missing, build, run a kernel on real tensors'
	@echo 'make test          install what is missing, build, run all tests'
	@echo 'make check         the tests with what is installed already'
	@echo 'make deps          install what is missing'
	@echo 'make debug         build/san/tilec with address and undefined sanitizers (SAN=1)'
	@echo 'make test SAN=1    the tests on the sanitizer build'
	@echo 'make fuzz          libFuzzer, FUZZ_SECONDS=60 for each harness of tests/fuzz (clang)'
	@echo 'make bench-interp  time the interpreter'
	@echo 'make machine-test  every kernel for both targets on the machine model, in 21 orders; hours'
	@echo 'make gpu-test      run kernels on the GPU and in the interpreter, compare bits'
	@echo 'make gpu-sanitize  run some of them under compute-sanitizer'
	@echo 'make bench         time kernels on the GPU beside a copy'
	@echo 'make format        clang-format on the sources; make check-format only looks'
	@echo 'make clean         remove what was built (build/venv stays)'

# demo and test start a second make: the first may have had no compiler to find.
demo:
	@$(SETUP) build
	@$(SETUP) python demo
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@$(VENV)/bin/python examples/demo.py $(B)/tilec

test:
	@$(SETUP) test
	@$(SETUP) python test
	@$(MAKE) --no-print-directory check

check:
	@$(MAKE) --no-print-directory -j$(JOBS) all units
	@TILE_BUILD=$(B) TILE_CC='$(CC)' PYTHONPYCACHEPREFIX=build/pycache \
	    $(VENV)/bin/python -m pytest -q -n 2 -o cache_dir=build/pytest-cache $(TESTS)

deps:
	@$(SETUP) test
	@$(SETUP) python test

debug:
	@$(MAKE) --no-print-directory -j$(JOBS) SAN=1 all units

units: $(UNITS)

# A change of compiler or flags rebuilds; the tools are looked for then too.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE) $(WARN)' | cmp -s - $@ || { $(SETUP) check && \
	    echo '$(CC) $(BASE) $(WARN)' > $@; }

$(GEN)/lex.c: dsl/lex.re | $(B)/flags
	@$(SETUP) check
	@mkdir -p $(@D)
	re2c -W -Werror --no-generation-date -o $@ $<

# -c: uncompressed tables, so that the expected tokens of a syntax error can be listed exactly.
$(GEN)/grammar.c $(GEN)/grammar.h &: dsl/grammar.y | $(B)/flags
	@$(SETUP) check
	@mkdir -p $(@D)
	lemon -c -d$(GEN) $<
	@touch $(GEN)/grammar.c $(GEN)/grammar.h

$(GEN)/device_text.c: runtime/embed.sh $(DEVICE_HEADERS)
	@mkdir -p $(@D)
	sh $< $(DEVICE_HEADERS) > $@

$(GEN)/machine_text.c: runtime/embed.sh $(MACHINE_HEADERS)
	@mkdir -p $(@D)
	EMBED_AS=machine sh $< $(MACHINE_HEADERS) > $@

$(GEN)/host_text.c: runtime/embed.sh $(HOST_HEADERS)
	@mkdir -p $(@D)
	EMBED_AS=host sh $< $(HOST_HEADERS) > $@

# The first compilation needs the generated header; later ones know who includes it.
$(B)/obj/%.o: %.c $(B)/flags | $(filter %/grammar.c,$(GENERATED))
	@mkdir -p $(@D)
	$(CC) $(BASE) $(WARN) $(EXTRA) -MMD -MP -c $< -o $@

# Loops over tiles. None of these lets a result differ: they drop errno and exception flags.
ifeq ($(SAN),)
$(B)/obj/runtime/numerics/%.o $(B)/obj/runtime/machine/%.o $(B)/obj/compiler/interp/%.o: \
    EXTRA := -O3 -fno-math-errno -fno-trapping-math
endif

$(B)/obj/gen/lex.o: $(GEN)/lex.c $(B)/flags | $(filter %/grammar.c,$(GENERATED))
	@mkdir -p $(@D)
	$(CC) $(BASE) $(WARN) -MMD -MP -c $< -o $@

$(B)/obj/gen/grammar.o: $(GEN)/grammar.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE) $(GEN_WARN) -MMD -MP -c $< -o $@

# Its strings are longer than -Wpedantic takes.
$(B)/obj/gen/%_text.o: $(GEN)/%_text.c $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE) $(GEN_WARN) -MMD -MP -c $< -o $@

$(LIBRARY): $(filter-out $(B)/obj/compiler/tilec.o,$(OBJECTS))
	@rm -f $@
	@ar rcs $@ $^

$(RUNTIME): $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard runtime/*.c))) \
            $(B)/obj/gen/device_text.o
	@rm -f $@
	@ar rcs $@ $^

$(B)/tilec: $(B)/obj/compiler/tilec.o $(LIBRARY)
	$(CC) $(BASE) $^ $(LIBS) -o $@

$(B)/tests/%: $(B)/obj/tests/unit/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE) $^ $(LIBS) -o $@

# The CUDA driver and NVRTC for tests: names what is called, fails where told to.
$(FAKE_CUDA): tests/runtime/fake_cuda.c runtime/driver.h $(B)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE) $(WARN) -fPIC -shared $< -o $@

$(BENCH): $(B)/obj/tests/gpu/bench_library.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE) -shared -Wl,--whole-archive $^ -Wl,--no-whole-archive $(LIBS) -o $@

# A harness without libFuzzer, for the test suite: replays files and damaged copies of them.
$(B)/tests/fuzz_%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/setup/fuzz_main.o $(GENERATOR) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE) $^ $(LIBS) -o $@

fuzz:
	@$(SETUP) clang
	@$(MAKE) --no-print-directory -j$(JOBS) CC=clang SAN=fuzz harnesses
	@for h in $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)); do \
	    echo "fuzz: $$h for $(FUZZ_SECONDS) s"; mkdir -p build/fuzz/corpus/$$h; \
	    build/fuzz/harness/$$h -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/$$h- build/fuzz/corpus/$$h \
	        $$(test -d tests/fuzz/corpus/$$h && echo tests/fuzz/corpus/$$h) || exit 1; done

harnesses: $(HARNESSES)

$(B)/harness/%: $(B)/obj/tests/fuzz/%.o $(GENERATOR) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(BASE) -fsanitize=fuzzer $^ $(LIBS) -o $@

# All that the machine model is asked, where `make test` asks a part: every case of every kernel for
# both targets, and its own tests at their larger level. SAN=1: the model's code under sanitizers.
machine-test:
	@$(SETUP) python test
	@$(MAKE) --no-print-directory -j$(JOBS) all units
	@for arch in sm90 sm100; do $(VENV)/bin/python tests/gpu/compare.py --tilec $(B)/tilec \
	    --machine $$arch --seeds 21 --jobs $(JOBS) || exit 1; done
	@TILE_TEST_LEVEL=2 TILE_BUILD=$(B) TILE_CC='$(CC)' PYTHONPYCACHEPREFIX=build/pycache \
	    $(VENV)/bin/python -m pytest -q -n $(JOBS) -o cache_dir=build/pytest-cache tests/machine

# On a machine with a GPU; python3 needs numpy.
gpu-test: all units
	python3 tests/gpu/compare.py --tilec $(B)/tilec
	python3 tests/gpu/host.py

gpu-sanitize: all
	python3 tests/gpu/compare.py --tilec $(B)/tilec --sanitize

bench: all units
	python3 tests/gpu/bench.py

bench-interp: all
	@$(SETUP) python test
	@$(VENV)/bin/python tests/bench/bench_interp.py

format:
	clang-format -i $(OWN_C)

check-format:
	@if command -v clang-format >/dev/null; then clang-format --dry-run -Werror $(OWN_C); \
	else echo 'check-format: no clang-format (apt-get install clang-format)'; fi

clean:
	rm -rf build/obj build/gen build/san build/fuzz build/tests build/pycache \
	    build/pytest-cache build/tilec build/libtilec.a build/libtile_runtime.a build/flags

# Objects of test programs are kept, so that a second make has nothing to do.
.SECONDARY:

-include $(OBJECTS:.o=.d) $(patsubst %.c,$(B)/obj/%.d,$(wildcard tests/*/*.c))
