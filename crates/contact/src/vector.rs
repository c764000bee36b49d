//! Vectors of three components and rotations of them.

pub(crate) type Vec3 = [f64; 3];

/// Rows are the axes of the new frame, in coordinates of the old one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation(pub(crate) [Vec3; 3]);

pub(crate) fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scale(a: Vec3, factor: f64) -> Vec3 {
    [a[0] * factor, a[1] * factor, a[2] * factor]
}

pub(crate) fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

pub(crate) fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn unit(a: Vec3) -> Vec3 {
    scale(a, 1.0 / norm(a))
}

/// Angle between two directions, in radians; well conditioned everywhere.
pub(crate) fn angle(a: Vec3, b: Vec3) -> f64 {
    norm(cross(a, b)).atan2(dot(a, b))
}

/// Distance from the origin to the segment from `a` to `b`.
pub(crate) fn segment_distance(a: Vec3, b: Vec3) -> f64 {
    let along = sub(b, a);
    let length2 = dot(along, along);
    let share = if length2 > 0.0 {
        (-dot(a, along) / length2).clamp(0.0, 1.0)
    } else {
        0.0
    };
    norm(add(a, scale(along, share)))
}

impl Rotation {
    /// Axes with third axis along `z` and first axis along the part of `x`
    /// that is normal to it.
    pub(crate) fn from_axes(z: Vec3, x: Vec3) -> Self {
        let z = unit(z);
        let x = unit(sub(x, scale(z, dot(x, z))));
        Self([x, cross(z, x), z])
    }

    /// Old coordinates to new ones.
    pub(crate) fn apply(&self, v: Vec3) -> Vec3 {
        [dot(self.0[0], v), dot(self.0[1], v), dot(self.0[2], v)]
    }

    /// New coordinates to old ones.
    pub(crate) fn undo(&self, v: Vec3) -> Vec3 {
        add(
            add(scale(self.0[0], v[0]), scale(self.0[1], v[1])),
            scale(self.0[2], v[2]),
        )
    }
}
