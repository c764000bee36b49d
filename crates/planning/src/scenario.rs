//! The scenario file, field by field. Units are the last word of a name.
//!
//! Every table refuses fields that it does not know; every number is parsed
//! into a type that cannot hold a bad one. What concerns several fields at
//! once is checked in [`crate::validate`].

use cosmosmesh_mission::SolverHint;
use cosmosmesh_optimize::problem::Name;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{REMEDY, ScenarioError, Source};
use crate::lease::Lease;
use crate::number::{At, Efficiency, Fraction, NonNegative, Positive, Real, Utc};

/// Largest scenario text that is read, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The name of an asset, a place, a coupling or a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[a-z0-9]([a-z0-9_-]{0,58}[a-z0-9])?$"))]
pub struct Id(String);

impl Id {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a diagram spells it.
    pub fn to_name(&self) -> Name {
        Name::new(self.0.clone()).expect("an Id is a Name")
    }
}

impl TryFrom<String> for Id {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let ok = (1..=60).contains(&text.len())
            && text.chars().all(|c| plain(c) || c == '_' || c == '-')
            && text.starts_with(plain)
            && text.ends_with(plain);
        if ok {
            Ok(Self(text))
        } else {
            Err(format!(
                "`{text}` is no name{REMEDY}use 1 to 60 of a-z, 0-9, _ and -, with a letter or digit at both ends"
            ))
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole scenario file, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    pub(crate) source: Source,
    pub(crate) file: File,
}

impl Scenario {
    /// Reads a scenario from its text; `name` is what errors call it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place and the remedy.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let source = Source {
            file: name.to_owned(),
            text: text.to_owned(),
        };
        if text.len() > MAX_TEXT_BYTES {
            return Err(source.error(
                &(0..0),
                format!("the file has {} bytes", text.len()),
                format!("keep a scenario within {MAX_TEXT_BYTES} bytes"),
            ));
        }
        let file: File = toml::from_str(text).map_err(|e| source.toml(&e))?;
        crate::validate::check(&source, &file)?;
        Ok(Self { source, file })
    }

    /// What the file says.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name that errors call the file by.
    pub fn name(&self) -> &str {
        &self.source.file
    }
}

/// The tables of a scenario file.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What is planned, and on which time grid.
    pub mission: MissionTable,
    /// How the assets talk while they agree.
    #[serde(default)]
    pub sync: Sync,
    /// Fixed places on a body.
    #[serde(default)]
    pub site: Vec<Site>,
    /// Orbits around a body.
    #[serde(default)]
    pub orbiter: Vec<Orbiter>,
    /// Ground networks: several sites that stand in for each other.
    #[serde(default)]
    pub network: Vec<Network>,
    /// Who can talk to whom.
    #[serde(default)]
    pub link: Vec<Link>,
    /// Who plans.
    pub asset: Vec<Asset>,
    /// What ties the assets together: the contracts.
    pub coupling: Vec<Coupling>,
}

/// What is planned, and on which time grid.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissionTable {
    /// The scenario's name.
    pub name: At<Id>,
    /// One or two sentences for the reader of a report.
    pub description: String,
    /// Start of the first step.
    pub start_utc: At<Utc>,
    /// Length of the plan in hours; the steps must add up to it.
    pub horizon_h: At<Positive>,
    /// What costs and values are counted in.
    pub value_unit: String,
    /// The steps: runs of equal ones, fine first and coarse later.
    pub grid: At<Vec<Run>>,
    /// What is left of a contact window within one step is not used if it is
    /// shorter than this.
    #[serde(default = "minimum_contact_s")]
    pub minimum_contact_s: At<u32>,
}

fn minimum_contact_s() -> At<u32> {
    At::nowhere(60)
}

/// So many steps of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// How many steps.
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,
    /// How long each is, in seconds.
    #[schemars(range(min = 60, max = 604_800))]
    pub step_s: u32,
}

/// How the assets talk while they agree.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sync {
    /// Largest time for which a round waits for messages, in seconds; after
    /// it, who is missing is carried forward.
    pub round_limit_s: Positive,
    /// What a message needs besides its body, in bytes.
    pub overhead_bytes: u32,
    /// How far two clocks may differ, in seconds.
    pub clock_bound_s: NonNegative,
    /// How long an asset takes to answer, in seconds.
    pub compute_s: NonNegative,
    /// Who closes rounds, in the order of their turns; without any, the first four of
    /// the assets that share something, by name, or all where there are fewer.
    pub closers: Vec<At<Id>>,
}

impl Default for Sync {
    fn default() -> Self {
        let positive = |v| Positive::try_from(v).expect("a positive number");
        let not_negative = |v| NonNegative::try_from(v).expect("no negative number");
        Self {
            round_limit_s: positive(14_400.0),
            overhead_bytes: 200,
            clock_bound_s: not_negative(1.0),
            compute_s: not_negative(1.0),
            closers: Vec::new(),
        }
    }
}

/// A celestial body of the ephemeris.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// The Earth.
    Earth,
    /// The Moon.
    Moon,
    /// Mars.
    Mars,
}

/// A fixed place on a body.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its name.
    pub id: At<Id>,
    /// The body that it stands on.
    pub body: Body,
    /// Latitude in degrees, north positive.
    pub latitude_deg: At<Real>,
    /// Longitude in degrees, east positive.
    pub longitude_deg: At<Real>,
    /// Height above the reference sphere in metres.
    #[serde(default)]
    pub height_m: Real,
    /// Least elevation at which a contact is held, in degrees, where the link
    /// does not say.
    #[serde(default)]
    pub mask_deg: At<Real>,
}

/// A ground network.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Its name.
    pub id: At<Id>,
    /// Which one.
    pub kind: NetworkKind,
    /// Least elevation at which its antennas hold a contact, in degrees.
    pub mask_deg: At<Real>,
}

/// The ground networks that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// Goldstone, Canberra and Madrid.
    DeepSpaceNetwork,
}

/// The axes of an orbit's angles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Axes {
    /// The body's equator at the start; first axis along its node on the
    /// equator of the ICRF.
    #[default]
    BodyEquator,
    /// Around the Moon: the plane of the Earth's motion about it.
    EarthOrbitPlane,
}

/// A Keplerian orbit around a body.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Orbiter {
    /// Its name.
    pub id: At<Id>,
    /// The body that it goes around.
    pub body: Body,
    /// The axes of its angles.
    #[serde(default)]
    pub axes: Axes,
    /// Semi-major axis in kilometres.
    pub semi_major_axis_km: At<Positive>,
    /// Eccentricity, below 1.
    pub eccentricity: At<NonNegative>,
    /// Inclination in degrees.
    pub inclination_deg: Real,
    /// Longitude of the ascending node in degrees.
    pub ascending_node_deg: Real,
    /// Argument of the periapsis in degrees.
    pub periapsis_argument_deg: Real,
    /// Mean anomaly at the mission's start, in degrees.
    pub mean_anomaly_deg: Real,
}

/// Who can talk to whom: in both directions, at equal rates.
///
/// Exactly one of `delay_s` (always on), `window` (as listed) and
/// `computed = true` (from the ephemerides of the two ends) is given; listed
/// windows need a `delay_s` too.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// One end: an asset or a place.
    pub from: At<Id>,
    /// The other end: an asset or a place.
    pub to: At<Id>,
    /// Rate for messages in bits per second.
    pub rate_bit_per_s: Positive,
    /// One-way delay in seconds, where it is not computed.
    pub delay_s: Option<At<NonNegative>>,
    /// The contact windows, in order.
    pub window: Option<Vec<At<Window>>>,
    /// Whether windows and light time come from the ephemerides.
    #[serde(default)]
    pub computed: bool,
    /// For computed windows: the least elevation at its surface ends, in
    /// degrees, in place of the sites' own.
    pub mask_deg: Option<At<Real>>,
    /// Largest share of each window that this mission may use.
    #[serde(default = "whole")]
    pub share: Fraction,
}

fn whole() -> Fraction {
    Fraction::try_from(1.0).expect("1 is a fraction")
}

/// A span of time, in seconds from the mission's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its beginning.
    pub from_s: i64,
    /// Its end.
    pub to_s: i64,
}

/// A span of time, in hours from the mission's start.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HourWindow {
    /// Its beginning.
    pub from_h: NonNegative,
    /// Its end.
    pub to_h: NonNegative,
}

/// What an asset is, for the reader of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Drives.
    Rover,
    /// Houses people.
    Habitat,
    /// Makes power.
    SolarPlant,
    /// Makes oxygen.
    OxygenPlant,
    /// Orbits.
    Orbiter,
    /// Hops or flies.
    Drone,
}

/// Somebody who plans: its devices are known to nobody else.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Its name.
    pub id: At<Id>,
    /// What it is.
    pub kind: Kind,
    /// Who owns and operates it.
    pub owner: Id,
    /// Which local solver it uses for its own problem. A name that is not known
    /// is refused.
    #[serde(default)]
    pub solver_hint: SolverHint,
    /// The site or orbiter where it is.
    pub place: Option<At<Id>>,
    /// When it has light.
    pub light: Option<Light>,
    /// Its connection to a power coupling.
    pub bus: Option<At<Bus>>,
    /// Its battery.
    pub battery: Option<At<Battery>>,
    /// Its solar array.
    pub solar: Option<At<Solar>>,
    /// A resistor that turns surplus power into heat.
    pub shunt: Option<Shunt>,
    /// Loads that run at all times.
    #[serde(default)]
    pub load: Vec<Load>,
    /// Work that can move in time.
    #[serde(default)]
    pub task: Vec<Task>,
    /// An oxygen plant.
    pub oxygen: Option<At<Oxygen>>,
    /// A data recorder.
    pub recorder: Option<At<Recorder>>,
    /// Ways for data to leave the recorder.
    #[serde(default)]
    pub downlink: Vec<Downlink>,
    /// Relay service for others.
    pub relay: Option<At<Relay>>,
}

/// When an asset has light: by `profile`, or from the ephemerides of its
/// `place`; without this table there is always light.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Light {
    /// The share of full sun in each step.
    pub profile: Option<At<Vec<Fraction>>>,
    /// For a site: the Sun's elevation above which it is lit, in degrees. A
    /// tower looks over its horizon, a crater wall raises it.
    pub horizon_deg: Option<Real>,
    /// Shadows of the terrain, in order, besides those that are computed.
    #[serde(default)]
    pub shadow: Vec<At<HourWindow>>,
}

/// A connection to a power coupling: the port `power`, in kW.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Most that is drawn, in watts.
    pub import_limit_w: NonNegative,
    /// Most that is given, in watts. Above the import limit, the port counts as
    /// a supplier's.
    pub export_limit_w: NonNegative,
    /// Price of line losses: value per kW² and hour.
    #[serde(default)]
    pub loss_value_per_kw2_h: NonNegative,
    /// When the asset is connected, in order; without any, always.
    #[serde(default)]
    pub window: Vec<At<HourWindow>>,
}

/// A battery.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// What it holds when full, in watt-hours.
    pub capacity_wh: At<Positive>,
    /// What must always be left, in watt-hours.
    pub reserve_wh: At<NonNegative>,
    /// What it holds at the start, in watt-hours.
    pub initial_wh: At<NonNegative>,
    /// What it must hold at the end, in watt-hours.
    pub final_wh: At<NonNegative>,
    /// Most that goes in, in watts, before losses.
    pub charge_limit_w: Positive,
    /// Most that comes out, in watts, after losses.
    pub discharge_limit_w: Positive,
    /// Share of what goes in that is stored.
    pub charge_efficiency: Efficiency,
    /// Share of what is taken from the store that comes out.
    pub discharge_efficiency: Efficiency,
    /// Price of wear: value per kWh that comes out.
    #[serde(default)]
    pub wear_value_per_kwh: NonNegative,
    /// Price of fast cycling: value per kW² and hour, both ways.
    #[serde(default)]
    pub cycling_value_per_kw2_h: NonNegative,
}

/// A solar array.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Solar {
    /// Power in full sun when clean, in watts.
    pub power_w: Positive,
    /// Share of its power that dust takes each day.
    #[serde(default)]
    pub dust_loss_per_day: Fraction,
}

/// A resistor for surplus power.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shunt {
    /// Most that it takes, in watts.
    pub power_limit_w: Positive,
    /// Price of using it: value per kW² and hour.
    #[serde(default)]
    pub heat_value_per_kw2_h: NonNegative,
}

/// A load that runs at all times: keep-alive, heaters, life support.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Its name.
    pub name: Id,
    /// Its power in light, in watts.
    pub power_w: NonNegative,
    /// What heaters add in the dark, in watts.
    #[serde(default)]
    pub dark_extra_w: NonNegative,
    /// The share that may be shed; without it the load is kept always.
    #[serde(default)]
    pub shed_share: Fraction,
    /// Price of shedding: value per kWh that is not served.
    #[serde(default)]
    pub shed_value_per_kwh: NonNegative,
}

/// Work that can move in time: driving, science.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name.
    pub name: At<Id>,
    /// What it counts as.
    pub kind: TaskKind,
    /// Most power that it takes, in watts.
    pub power_limit_w: Positive,
    /// When it may run, in order; without any, always.
    #[serde(default)]
    pub window: Vec<At<HourWindow>>,
    /// Whether it runs in light only.
    #[serde(default)]
    pub in_light_only: bool,
    /// Least energy that it must get over the plan, in watt-hours.
    #[serde(default)]
    pub minimum_wh: At<NonNegative>,
    /// Most energy that is of use over the plan, in watt-hours.
    pub maximum_wh: At<Positive>,
    /// Value of the first kWh.
    pub value_per_kwh: NonNegative,
    /// Value of the last kWh up to the maximum; not above that of the first.
    pub value_per_kwh_at_maximum: At<NonNegative>,
    /// Price of haste: value per kW² and hour.
    #[serde(default)]
    pub haste_value_per_kw2_h: NonNegative,
    /// Data that it makes, in bits per watt-hour.
    #[serde(default)]
    pub data_bit_per_wh: NonNegative,
}

/// What a task counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Going from place to place.
    Driving,
    /// Measuring and observing.
    Science,
    /// Heating, charging tools, housekeeping and the like.
    Service,
}

/// An oxygen plant with a tank.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oxygen {
    /// Most power of the reactor, in watts.
    pub power_limit_w: Positive,
    /// Energy for one kilogram, in watt-hours.
    pub energy_wh_per_kg: Positive,
    /// What the tank holds, in kilograms.
    pub tank_kg: At<Positive>,
    /// What it holds at the start, in kilograms.
    pub initial_kg: At<NonNegative>,
    /// What it must hold at the end, in kilograms.
    #[serde(default)]
    pub final_kg: At<NonNegative>,
    /// What the crew takes from the tank, in kilograms a day.
    #[serde(default)]
    pub demand_kg_per_day: NonNegative,
    /// Most that is sold from the tank besides, in kilograms a day.
    #[serde(default)]
    pub sale_limit_kg_per_day: NonNegative,
    /// Value of the first kilogram sold.
    pub value_per_kg: NonNegative,
    /// Value of the last kilogram if all that can be is sold.
    pub value_per_kg_at_limit: At<NonNegative>,
    /// Most change of the reactor's power, in watts per hour; without it the
    /// reactor follows at once.
    pub ramp_w_per_h: Option<Positive>,
    /// Price of running hot: value per kW² and hour.
    #[serde(default)]
    pub heat_value_per_kw2_h: NonNegative,
}

/// A data recorder.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recorder {
    /// What it holds, in bits.
    pub capacity_bit: At<Positive>,
    /// What it holds at the start, in bits.
    #[serde(default)]
    pub initial_bit: At<NonNegative>,
    /// What may be left at the end, in bits.
    pub final_bit: At<NonNegative>,
    /// Data that always comes in, in bits per second.
    #[serde(default)]
    pub housekeeping_bit_per_s: NonNegative,
    /// Value of the first gigabit returned.
    #[serde(default)]
    pub value_per_gbit: NonNegative,
    /// Value of a gigabit when as much as can come in is returned.
    #[serde(default)]
    pub value_per_gbit_at_all: At<NonNegative>,
    /// Price of keeping data waiting: value per gigabit and day.
    #[serde(default)]
    pub wait_value_per_gbit_day: NonNegative,
    /// Price of overwriting: value per gigabit that is lost.
    #[serde(default)]
    pub loss_value_per_gbit: NonNegative,
}

/// A way for data to leave the recorder, paid in minutes of a coupling.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Downlink {
    /// Its name.
    pub name: At<Id>,
    /// The minutes that it takes: the port of this name.
    pub minutes: MinutesOf,
    /// The asset or place at the other end: a link to it must exist.
    pub to: At<Id>,
    /// Data rate in bits per second.
    pub rate_bit_per_s: Positive,
    /// Power of the transmitter while it sends, in watts.
    #[serde(default)]
    pub power_w: NonNegative,
    /// Price of a warm transmitter: value per hour, times the square of the
    /// share of the time that it sends.
    #[serde(default)]
    pub duty_value_per_h: NonNegative,
}

/// Whose minutes a downlink takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MinutesOf {
    /// An orbiter's relay.
    Relay,
    /// An antenna on the Earth.
    Antenna,
}

/// Relay service: the minutes of a coupling that the asset does not keep.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Rate at which the others' data come into the recorder, in bits per
    /// second.
    pub rate_bit_per_s: Positive,
    /// Power of the receiver while it serves, in watts.
    pub power_w: NonNegative,
    /// Value of the first minute kept for own use.
    pub keep_value_per_min: NonNegative,
    /// Value of the last minute, when all are kept.
    pub keep_value_per_min_at_all: At<NonNegative>,
}

/// What a coupling is about; fixes its unit and the ports that it ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Power on a bus, in kW.
    Power,
    /// Minutes of an orbiter's relay, in min.
    Relay,
    /// Minutes of antennas on the Earth, in min.
    Antenna,
}

impl Resource {
    /// The name of the ports that it ties.
    pub fn port(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Relay => "relay",
            Self::Antenna => "antenna",
        }
    }

    /// The unit of those ports.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Power => "kW",
            Self::Relay | Self::Antenna => "min",
        }
    }
}

/// Whether a coupling must be met exactly or not be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CouplingKind {
    /// What is drawn equals what is supplied.
    Balance,
    /// What is drawn is at most the capacity.
    Capacity,
}

/// A contract: what ties the assets together.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coupling {
    /// Its name.
    pub id: At<Id>,
    /// What it is about.
    pub resource: Resource,
    /// Balance or capacity.
    pub kind: At<CouplingKind>,
    /// The unit of its numbers.
    pub unit: At<String>,
    /// The smallest amount that is leased, in that unit.
    pub quantum: At<Positive>,
    /// Who takes part.
    pub members: At<Vec<At<Id>>>,
    /// Who takes what rounding leaves over.
    pub slack: At<Id>,
    /// Who holds a capacity at first and is paid for what others use of it;
    /// without one, somebody outside the scenario.
    pub holder: Option<At<Id>>,
    /// The capacity; for a capacity only.
    pub capacity: Option<At<Capacity>>,
    /// Who holds what at first, and who goes short first.
    pub lease: Option<At<Lease>>,
}

/// A capacity a step: exactly one of the four is given.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// So much in every step, in the coupling's unit.
    pub constant: Option<Positive>,
    /// So much in each step, in the coupling's unit.
    pub series: Option<Vec<NonNegative>>,
    /// This share of the minutes of each step.
    pub share_of_step: Option<Fraction>,
    /// The minutes of each step in which the first of these can talk to the
    /// second.
    pub contact: Option<[At<Id>; 2]>,
}
