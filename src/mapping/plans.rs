//! All plans in force: immutable, shared by the workers, replaced whole by a reload.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::{
    mapping::{
        Commands, Decoder, Field, FieldForm, Layout, Plan, Probe, SavedQuery, Select,
        alarm::Drafts,
        avro,
        catalog::CatalogBuilder,
        command,
        compile::{Compiled, CompiledProbe, Refused, compile},
        file::{self, Format, MappingText, SelectBy},
        json, protobuf, saved,
        store_names::TakenNames,
        topic::{TopicMatch, TopicPattern, TopicTrie},
    },
    model::{
        Catalog, LineDialect, Listed, MappingKey, StoreNames,
        line::{self, Label},
    },
    schema::{self, Bounds, Missing, Problem, Registry, Shape, Sources},
};

/// What plans are made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The schemas directory.
    pub dir: PathBuf,
    /// The dialect of the configured store.
    pub dialect: LineDialect,
    /// Which names the configured store accepts. Default: those that any store accepts.
    pub store_names: StoreNames,
    /// How deep a schema's records may nest if a mapping needs their values. Default: 32, as for
    /// payloads.
    pub depth_max: usize,
    /// Folders below the directory from which protobuf's imports are looked up too. Default: none.
    pub import_roots: Vec<String>,
    /// The measurement of connects and disconnects, which no mapping may use. Default: none.
    pub connectivity: Option<String>,
    /// How much is read.
    pub bounds: Bounds,
}

impl Options {
    /// The defaults for a directory and a dialect.
    #[must_use]
    pub fn new(dir: PathBuf, dialect: LineDialect) -> Self {
        Self {
            dir,
            dialect,
            store_names: StoreNames::default(),
            depth_max: 32,
            import_roots: Vec::new(),
            connectivity: None,
            bounds: Bounds::default(),
        }
    }
}

/// Everything that is wrong in the schemas directory. The set in force stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Listed(.problems))]
pub struct LoadErrors {
    /// Ordered by file and line; never empty.
    pub problems: Vec<Problem>,
}

/// The number of plan sets made in this process; it identifies each set.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// The compiled mappings with their schemas.
#[derive(Debug)]
pub struct Plans {
    generation: u64,
    plans: Vec<Plan>,
    topics: TopicTrie,
    catalog: Catalog,
    commands: Arc<Commands>,
    queries: Arc<[SavedQuery]>,
    registry: Arc<Registry>,
    dialect: LineDialect,
    warnings: Vec<Problem>,
}

/// Stack of the thread that loads. The bounds on nesting keep its use far below.
const LOAD_STACK_BYTES: usize = 16 << 20;

impl Plans {
    /// Reads and compiles every schema and mapping below the directory.
    ///
    /// # Errors
    /// Everything that is wrong in any file.
    pub fn load(options: &Options) -> Result<Self, LoadErrors> {
        let wanted = options.clone();
        let load = move || {
            let mut problems = Vec::new();
            let sources = Sources::read(&wanted.dir, &wanted.bounds, &mut problems);
            Self::compile(sources, &wanted, problems)
        };
        let thread = thread::Builder::new().name("load".to_owned()).stack_size(LOAD_STACK_BYTES);
        let dir = options.dir.display().to_string();
        let failed = |what: &str| {
            let what = format!("its files could not be looked at: {what}");
            LoadErrors { problems: vec![Problem::of_file(&dir, what)] }
        };
        // A separate thread has a stack of known size, and a panic in a parser library ends only
        // that thread.
        let started = thread.spawn(load).map_err(|error| failed(&error.to_string()))?;
        started.join().unwrap_or_else(|_| Err(failed("a parser failed; the log says where")))
    }

    /// Compiles files that are in memory: the dry run of an upload, a test. `options.dir` is not
    /// read.
    ///
    /// # Errors
    /// Everything that is wrong in any of them.
    pub fn from_sources(sources: &Sources, options: &Options) -> Result<Self, LoadErrors> {
        Self::compile(sources.clone(), options, Vec::new())
    }

    fn compile(
        sources: Sources,
        options: &Options,
        mut problems: Vec<Problem>,
    ) -> Result<Self, LoadErrors> {
        let sources = Arc::new(sources);
        let registry = Registry::new(&sources, &options.import_roots);
        let mut warnings: Vec<Problem> = sources.notes().collect();
        let (mut texts, mut commands) = (Vec::new(), Vec::new());
        let (mut alarms, mut queries) = (Vec::new(), Vec::new());
        for source in sources.with_ending(".toml") {
            let found = file::read(source, &mut problems, &mut warnings);
            texts.extend(found.mappings);
            commands.extend(found.commands);
            alarms.extend(found.alarms);
            queries.extend(found.queries);
        }
        let mut commands = command::compile(&commands, &registry, &mut problems);
        let alarms = Drafts::read(&alarms, &commands, &mut problems);
        let queries = saved::compile(queries, &mut problems);
        let mut loader = Loader {
            registry: &registry,
            options,
            problems,
            warnings,
            plans: Vec::new(),
            topics: TopicTrie::default(),
            catalog: CatalogBuilder::new(options.dialect, options.connectivity.as_deref()),
            taken_names: TakenNames::new(options.store_names),
            names: BTreeMap::new(),
            alarms,
        };
        texts.iter().for_each(|text| loader.add(text));
        let Loader { mut problems, mut warnings, mut plans, topics, catalog, alarms, .. } = loader;
        let names = texts.iter().map(|text| text.name.value.as_str());
        commands.alarms = alarms.finish(names, &mut problems);
        if problems.is_empty() {
            share_stamps(&mut plans);
            warnings.sort();
            return Ok(Self {
                generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
                plans,
                topics,
                catalog: catalog.into_catalog(),
                commands: Arc::new(commands),
                queries,
                registry: Arc::new(registry),
                dialect: options.dialect,
                warnings,
            });
        }
        problems.sort();
        problems.dedup();
        Err(LoadErrors { problems })
    }

    /// What the mappings say about each measurement.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The commands that may be sent.
    #[must_use]
    pub fn commands(&self) -> &Arc<Commands> {
        &self.commands
    }

    /// The queries whose rows are published on topics.
    #[must_use]
    pub fn queries(&self) -> &Arc<[SavedQuery]> {
        &self.queries
    }

    /// The schemas, for encoders (commands, `simulate`).
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The dialect that lines are written in.
    #[must_use]
    pub fn dialect(&self) -> LineDialect {
        self.dialect
    }

    /// Warnings: what is allowed and most likely not intended, ordered by file and line.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// All plans, by index.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// A number that no other set of plans has.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Finds the plans of a topic; allocates nothing once `into` has grown.
    pub fn find(&self, topic: &str, into: &mut TopicMatch) {
        self.topics.find(topic, into);
        into.note_vehicle(topic, &self.plans);
    }
}

/// Finds the plans that write points without a time of their own to one measurement.
fn share_stamps(plans: &mut [Plan]) {
    let mut writers: BTreeMap<Box<[u8]>, usize> = BTreeMap::new();
    for plan in plans.iter().filter(|plan| plan.may_stamp()) {
        *writers.entry(plan.measurement.as_bytes().into()).or_default() += 1;
    }
    for plan in plans.iter_mut().filter(|plan| plan.may_stamp()) {
        let count = writers.get(plan.measurement.as_bytes());
        plan.shares_stamps = count.is_some_and(|count| *count > 1);
    }
}

/// What the selection of payloads needs from a schema.
#[derive(Debug, Default)]
struct Framing {
    /// The encodings of a protobuf message's indexes, which follow a Confluent id.
    indexes: Box<[Box<[u8]>]>,
    /// The fingerprint of an Avro schema.
    fingerprint: Option<u64>,
}

/// The decode programs of one mapping.
struct Decoders {
    message: Decoder,
    /// That of its probe, if it has a filter.
    probe: Option<Decoder>,
}

impl Decoders {
    /// Compiles each with `program`, which is given a layout and whether it is to be lenient.
    fn new(compiled: &Compiled, program: impl Fn(&Layout, bool) -> Decoder) -> Self {
        let probe = compiled.probe.as_ref().map(|probe| program(&probe.layout, true));
        Self { message: program(&compiled.layout, false), probe }
    }
}

/// The state of one load.
struct Loader<'a> {
    registry: &'a Registry,
    options: &'a Options,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    plans: Vec<Plan>,
    topics: TopicTrie,
    catalog: CatalogBuilder,
    taken_names: TakenNames,
    /// Where each name was first used.
    names: BTreeMap<String, String>,
    alarms: Drafts<'a>,
}

impl Loader<'_> {
    /// Compiles one mapping into the set.
    fn add(&mut self, text: &MappingText) {
        let place = format!("{}:{}", text.file, text.name.line);
        if let Some(first) = self.names.insert(text.name.value.clone(), place) {
            let what = format!("the name `{}` is taken by {first}", text.name.value);
            self.tell(text, text.name.line, what);
        }
        let topic = match TopicPattern::parse(&text.topic.value) {
            Ok(topic) => topic,
            Err(what) => return self.tell(text, text.topic.line, format!("`topic`: {what}")),
        };
        let Some((compiled, decoders, select)) = self.compile(text, &topic) else { return };
        let mut told = self.catalog.add(text, &compiled);
        told.extend(self.taken_names.add(text, &compiled));
        if !told.is_empty() {
            return told.into_iter().for_each(|(line, what)| self.tell(text, line, what));
        }
        let mut measurement = Vec::new();
        if let Some(name) = &text.measurement {
            if !line::is_plain(name.value.as_bytes()) {
                let what = "`measurement` has a line break, TAB or NUL, or a backslash before a separator or at its end";
                return self.tell(text, name.line, what.to_owned());
            }
            if name.value.contains(['{', '}']) {
                let what = "`measurement` is one fixed name, so nothing in braces is filled in; make \
                            the capture a tag";
                return self.tell(text, name.line, what.to_owned());
            }
            line::push_measurement(&mut measurement, name.value.as_bytes());
        }
        let (problems, warnings) = (&mut self.problems, &mut self.warnings);
        self.alarms.declare(text, (&compiled.alarms, &compiled.vehicle), problems, warnings);
        for (line, what) in compiled.warnings {
            self.warnings.push(Problem { file: text.file.clone(), line: Some(line), what });
        }
        let is_spread = |field: &Field| {
            matches!(field.form, FieldForm::SpreadList(_) | FieldForm::SpreadMap(..))
        };
        let brings_names = matches!(decoders.message, Decoder::LineProtocol)
            || compiled.fields.iter().any(is_spread);
        let index = self.plans.len();
        self.topics.insert(&topic, index);
        self.plans.push(Plan {
            name: text.name.value.as_str().into(),
            key: MappingKey::of(&text.name.value),
            select,
            decoder: decoders.message,
            slots: compiled.slots,
            filter: compiled.filter,
            probe: decoders.probe.zip(compiled.probe).map(|(decoder, probe)| {
                let CompiledProbe { slots, filter, levels_asked, .. } = probe;
                Box::new(Probe { decoder, slots, filter, levels_asked })
            }),
            alarms: compiled.alarms.into(),
            measurement: Label::new(&measurement),
            vehicle: compiled.vehicle,
            vehicle_tag: compiled.vehicle_tag,
            tags: compiled.tags.into(),
            time: compiled.time,
            fields: compiled.fields.into(),
            constant_fields: Label::new(&compiled.constants.text),
            duplicates: text.duplicates.unwrap_or_default(),
            framing: text.framing,
            identity_required: text.identity_required,
            shares_stamps: false,
            brings_names,
        });
    }

    /// Compiles a mapping for its format.
    fn compile(
        &mut self,
        text: &MappingText,
        topic: &TopicPattern,
    ) -> Option<(Compiled, Decoders, Select)> {
        match text.format.value {
            Format::Protobuf => self.protobuf(text, topic),
            Format::Avro => self.avro(text, topic),
            Format::Json => self.json(text, topic),
            Format::LineProtocol => {
                let compiled = self.shaped(text, topic, &Shape::of_nothing())?;
                let decoders = Decoders { message: Decoder::LineProtocol, probe: None };
                Some((compiled, decoders, self.select(text, Framing::default)?))
            }
        }
    }

    /// Compiles a protobuf mapping.
    fn protobuf(
        &mut self,
        text: &MappingText,
        topic: &TopicPattern,
    ) -> Option<(Compiled, Decoders, Select)> {
        let (file, name) = text.schema.as_ref().zip(text.message.as_ref())?;
        let found = self.registry.protobuf.message(&file.value, &name.value);
        let message = self.found(text, found)?;
        let shape = schema::protobuf::shape(&message);
        let compiled = self.shaped(text, topic, &shape)?;
        let decoders = Decoders::new(&compiled, |layout, is_lenient| {
            Decoder::Protobuf(protobuf::Program::compile(&message, layout, is_lenient))
        });
        let framing =
            || Framing { indexes: protobuf::confluent_indexes(&message), fingerprint: None };
        let select = self.select(text, framing)?;
        Some((compiled, decoders, select))
    }

    /// Compiles an Avro mapping.
    fn avro(
        &mut self,
        text: &MappingText,
        topic: &TopicPattern,
    ) -> Option<(Compiled, Decoders, Select)> {
        let (file, name) = text.schema.as_ref().zip(text.message.as_ref())?;
        let found = self.registry.avro.record(&file.value, &name.value);
        let record = self.found(text, found)?;
        let compiled = self.shaped(text, topic, &record.shape)?;
        let decoders = Decoders::new(&compiled, |layout, _| {
            Decoder::Avro(avro::Program::compile(&record, layout))
        });
        let fingerprint = Some(record.fingerprint);
        let select = self.select(text, || Framing { fingerprint, ..Framing::default() })?;
        Some((compiled, decoders, select))
    }

    /// Compiles a JSON mapping.
    fn json(
        &mut self,
        text: &MappingText,
        topic: &TopicPattern,
    ) -> Option<(Compiled, Decoders, Select)> {
        let file = text.schema.as_ref()?;
        let found = self.registry.json.schema(&file.value);
        let schema = self.found(text, found)?;
        let compiled = self.shaped(text, topic, &schema.shape)?;
        let decoders = Decoders::new(&compiled, |layout, is_lenient| {
            Decoder::Json(json::Program::compile(&schema, layout, is_lenient))
        });
        let select = self.select(text, Framing::default)?;
        Some((compiled, decoders, select))
    }

    /// Compiles what does not depend on the format.
    fn shaped(
        &mut self,
        text: &MappingText,
        topic: &TopicPattern,
        shape: &schema::Shape,
    ) -> Option<Compiled> {
        let alarms = self.alarms.of(&text.name.value);
        match compile(text, topic, shape, self.options.depth_max, alarms) {
            Ok(compiled) => Some(compiled),
            Err(Refused { of_mapping, of_schema, of_alarms }) => {
                self.problems.extend(of_alarms);
                of_mapping.into_iter().for_each(|(line, what)| self.tell(text, line, what));
                let file = text.schema.as_ref().map_or(&text.file, |schema| &schema.value);
                let of_schema = of_schema.into_iter().map(|(line, what)| Problem {
                    file: file.clone(),
                    line: Some(line),
                    what,
                });
                self.problems.extend(of_schema);
                None
            }
        }
    }

    /// The schema that was found; if there is none, its problems are noted.
    fn found<T>(&mut self, text: &MappingText, found: Result<T, Missing>) -> Option<T> {
        let (named, what) = match found {
            Ok(found) => return Some(found),
            Err(Missing::Broken(problems)) => {
                self.problems.extend(problems);
                return None;
            }
            Err(Missing::File(what)) => (&text.schema, what),
            Err(Missing::Message(what)) => (&text.message, what),
        };
        let line = named.as_ref().map_or(text.line, |named| named.line);
        self.tell(text, line, what);
        None
    }

    /// Which messages of the topic the mapping takes.
    fn select(&mut self, text: &MappingText, framing: impl FnOnce() -> Framing) -> Option<Select> {
        Some(match text.select.value {
            SelectBy::Topic => Select::Topic,
            SelectBy::ContentType => Select::ContentType(text.content_type.as_deref()?.into()),
            SelectBy::Confluent => {
                Select::Confluent { schema_id: text.schema_id?, indexes: framing().indexes }
            }
            SelectBy::AvroSingleObject => match framing().fingerprint {
                Some(fingerprint) => Select::AvroSingleObject { fingerprint },
                None => {
                    let what = "`select = \"avro-single-object\"` is for `format = \"avro\"` only";
                    self.tell(text, text.select.line, what.to_owned());
                    return None;
                }
            },
        })
    }

    /// Notes a problem of a mapping.
    fn tell(&mut self, text: &MappingText, line: u32, what: String) {
        self.problems.push(Problem { file: text.file.clone(), line: Some(line), what });
    }
}
